"""Defines every request and response of the API once, for client, tracker, worker and the OpenAPI document."""
