"""Checks of the network between the nodes: peers, bootstraps, links, PubSub."""
