"""The OpenAPI document that tools try the server with names what the app serves, and nothing else."""

from typing import Any

from tests.serve.conftest import MakeApp
from tests.serve.requests.openapi import openapi


def test_the_document_names_the_routes_of_the_app_and_no_other(make_app: MakeApp) -> None:
    served = {
        (route.method.lower(), route.resource.canonical or "/")
        for route in make_app().router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    paths: dict[str, Any] = openapi(run_id="r", node_ids=["a"], has_token=False)["paths"]
    assert {(method, path) for path, operations in paths.items() for method in operations} == served
