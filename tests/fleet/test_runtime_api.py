"""The Runtime API, as a client sees it that does what it should not."""

from __future__ import annotations


def test_wrong_and_late_ids_are_refused(fleet):
    """An unknown id is 400, one that was answered 410, an unknown endpoint 404."""
    function = fleet("""
        import os, urllib.error, urllib.request
        base = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/"
        def post(path):
            try:
                with urllib.request.urlopen(base + path, b"1") as reply:
                    return reply.status
            except urllib.error.HTTPError as error:
                with error:
                    return error.code
        last = None
        def handler(event, context):
            global last
            seen = [post("invocation/nobodys/response"), post("nothing")]
            if last:
                seen.append(post(f"invocation/{last}/response"))
                seen.append(post(f"invocation/{last}/error"))
            last = context.aws_request_id
            return seen
    """)
    assert function.invoke().value == [400, 404]
    assert function.invoke().value == [400, 404, 410, 410]
