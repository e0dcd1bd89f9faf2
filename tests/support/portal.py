"""Visits to the portal of the local service without JavaScript."""

import re
from html import unescape

import requests


class Visitor:
    """A browser without JavaScript.

    Args:
        service: The service.
        user: User who signs in with the link of `serve`; None for an anonymous visitor.
    """

    def __init__(self, service, user):
        self.base_url = service.service_info["portalEndpoint"].rstrip("/")
        self.session = requests.Session()
        if user is not None:
            assert self.get(service.service_info["signInUrls"][user]).status_code == 200

    def get(self, path, **options):
        url = path if path.startswith("http") else self.base_url + path
        return self.session.get(url, timeout=30, **options)

    def read(self, path):
        """Return the text of a page without markup."""
        response = self.get(path)
        assert response.status_code == 200, response.text
        return unescape(re.sub(r"<[^>]*>", " ", response.text))
