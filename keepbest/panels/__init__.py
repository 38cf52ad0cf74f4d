"""Panels: pictures made from any model at a look, as data; pure functions of arrays, and the painter over them."""
