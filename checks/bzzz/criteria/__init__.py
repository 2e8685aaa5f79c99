"""The rules that BZZZ is judged by: pure functions, one module each area."""
