"""Figures of scores and RDMs: ``profile`` along the network, RDMs beside each other."""
