"""Prometheus, Grafana and Elasticsearch around Esper-Lite."""
