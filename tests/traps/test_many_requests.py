"""Ten thousand invocations, with freezes, resets, recycling and tenants: nothing crosses."""

from __future__ import annotations

import random

import pytest


@pytest.mark.slow
def test_no_request_sees_another(fleet_of):
    """Every request finds its variables empty, its own memo, and the state that was made for it.

    Each carries its own canary. What was done to each container is kept in a model here, and what
    ORC tells in each request is compared with it.
    """
    chance = random.Random(20261123)
    tenants = ("blue", "green", "red")
    expected: dict[str, str] = {}
    seen: set[str] = set()
    with fleet_of("canaries.handler", tenants=True, timeout=10.0) as fleet:
        for number in range(10_000):
            tenant = chance.choice(tenants)
            canary = f"{tenant}-{number}"
            do = chance.choices(["", "raise", "exit"], [980, 19, 1])[0]
            event = {
                "canary": canary if chance.random() < 0.7 else None,
                "number": number,
                "do": do,
            }
            answer = fleet.invoke(event, tenant=tenant)
            container = answer.container
            state = expected.get(container.id, "cold")
            expected[container.id] = "reset" if do == "exit" else "warm"
            assert container.tenant == tenant
            if do:
                assert answer.error, do
            else:
                assert answer.value == {
                    "before": None,
                    "after": event["canary"],
                    "memo": [number, number],
                    "tenant": tenant,
                    "id": answer.request_id,
                    "state": state,
                }
            seen.add(state)
            what = chance.random()
            if what < 0.001:
                answer.settled()
                container.recycle()
            elif what < 0.05:
                answer.settled()
                container.advance(wall=chance.choice([0, 3600]), monotonic=chance.choice([0, 3600]))
    assert seen == {"cold", "warm", "reset"}
