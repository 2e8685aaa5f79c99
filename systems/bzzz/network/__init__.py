"""The peer-to-peer network between the nodes: peers, bootstraps, links, PubSub."""
