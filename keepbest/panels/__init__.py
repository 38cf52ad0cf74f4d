"""Panels: pictures made from any model at a validation, as data; pure functions of arrays, and a worker."""
