"""Tests that hold the twins and the servers to the facts they promise."""
