"""OAuth2, Basic and what a `client.conf` says, on the mock broker, which is an issuer too."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

import stargate
from stargate.testing import MockBroker

if TYPE_CHECKING:
    from pathlib import Path


def issuer(**options: Any) -> MockBroker:
    return MockBroker(oauth2_client_id="shop", oauth2_client_secret="hush", oauth2_audience="pulsar", **options)


def oauth2(broker: MockBroker) -> dict[str, Any]:
    return {
        "oauth2_issuer_url": broker.oauth2_issuer_url,
        "oauth2_client_id": "shop",
        "oauth2_client_secret": "hush",
        "oauth2_audience": "pulsar",
        "backoff_min": 0.001,
    }


def fetches(broker: MockBroker) -> int:
    return sum(request.topic == "/oauth2/token" for request in broker.requests())


def send(client: stargate.Client) -> None:
    with client.producer("orders") as producer:
        producer.send(b"x")


def test_oauth2_tokens_are_fetched_and_renewed(tmp_path: Path) -> None:
    with issuer(oauth2_token_life=1.5) as broker:
        options = {"oauth2_refresh": 0.5, **oauth2(broker)}
        with stargate.Client(broker.url, **options) as client, client.producer("orders") as producer:
            producer.send(b"one")
            client.admin().clusters()
            assert fetches(broker) == 1
            broker.wait("http", topic="/oauth2/token", at_least=3)
            broker.drop_connections()
            producer.send(b"two")
    with issuer() as broker:
        key = {"type": "client_credentials", "client_id": "shop", "client_secret": "hush"}
        path = tmp_path / "key.json"
        path.write_text(json.dumps({**key, "issuer_url": broker.oauth2_issuer_url}))
        with stargate.Client(broker.url, oauth2_key_file=path, oauth2_audience="pulsar") as client:
            send(client)
        url = f"{broker.url}/ws/v2/producer/persistent/public/default/orders"
        assert isinstance(stargate.produce(url, [b"four"], **oauth2(broker))[0], stargate.MessageId)
        config = {"host": broker.url.removeprefix("ws://"), "producer": {"topic": "orders"}, **oauth2(broker)}
        config["backoff_min"] = 1
        with stargate.Supervisor(config):
            pass


def test_oauth2_tokens_are_fetched_and_renewed_for_asyncio() -> None:
    async def main(broker: MockBroker) -> None:
        async with stargate.AsyncClient(broker.url, **oauth2(broker)) as client:
            producers = await asyncio.gather(*(client.producer(f"orders-{number}") for number in range(10)))
            await asyncio.gather(*(producer.send(b"x") for producer in producers))
            await asyncio.gather(*(producer.close() for producer in producers))
            await client.admin().clusters()

    with issuer() as broker:
        asyncio.run(main(broker))
        assert fetches(broker) == 1


def test_an_issuer_that_refuses_is_told_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    with issuer() as broker:
        for change, error, words in [
            ({"oauth2_client_secret": "s3cret"}, stargate.AuthenticationError, "oauth2_client_secret"),
            ({"oauth2_audience": "elsewhere"}, stargate.AuthenticationError, "oauth2_audience"),
            ({"oauth2_issuer_url": "http://127.0.0.1:1/"}, stargate.ConnectError, "OAuth2 issuer http://127.0.0.1:1/"),
        ]:
            with stargate.Client(broker.url, **{**oauth2(broker), **change}) as client:
                with pytest.raises(error, match=words) as caught:
                    client.producer("orders")
                assert "s3cret" not in f"{caught.value!r} {client!r}"
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"auth_token": "s3cret"}, "auth_token and oauth2_issuer_url exclude each other"),
            ({"oauth2_refresh": 2}, "from 0.1 to 1"),
            ({"oauth2_client_secret": b"s3cret"}, "expected a secret that is not empty, got bytes"),
        ]
        for options, words in wrong:
            with pytest.raises(stargate.InvalidArgumentError, match=words) as caught_:
                stargate.Client(broker.url, **{**oauth2(broker), **options})
            assert "s3cret" not in str(caught_.value)
    assert "s3cret" not in caplog.text


def test_a_user_and_a_password_are_sent(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("pizza\n")
    with MockBroker(basic_user="mario", basic_password="pizza") as broker:
        ways: list[dict[str, Any]] = [{"basic_password": "pizza"}, {"basic_password_file": password}]
        for options in ways:
            with stargate.Client(broker.url, basic_user="mario", **options) as client:
                send(client)
        with (
            stargate.Client(broker.url, basic_user="mario", basic_password="s3cret") as client,
            pytest.raises(stargate.AuthenticationError, match='the password of "mario" is not accepted') as caught,
        ):
            client.producer("orders")
        assert "s3cret" not in str(caught.value)
    with pytest.raises(stargate.InvalidArgumentError, match="basic_user and basic_password need each other"):
        MockBroker(basic_user="mario")
    with pytest.raises(stargate.InvalidArgumentError, match="oauth2_audience needs oauth2_client_id"):
        MockBroker(oauth2_audience="pulsar")


def test_a_client_conf_is_carried_over() -> None:
    plugins = "org.apache.pulsar.client.impl.auth."
    with MockBroker(basic_user="mario", basic_password="pizza") as broker:
        params = json.dumps({"userId": "mario", "password": "pizza"})
        options: dict[str, Any] = {"auth_plugin": plugins + "AuthenticationBasic", "auth_params": params}
        with stargate.Client(broker.url, **options) as client:
            send(client)
    with issuer() as broker:
        names = {"issuer_url": broker.oauth2_issuer_url, "client_id": "shop", "client_secret": "hush"}
        params = json.dumps({"type": "client_credentials", "audience": "pulsar", **names})
        options = {"auth_plugin": plugins + "oauth2.AuthenticationOAuth2", "auth_params": params}
        with stargate.Client(broker.url, **options) as client:
            send(client)
    with pytest.raises(stargate.InvalidArgumentError, match='"athenz" is not supported'):
        stargate.Client("ws://h", auth_plugin="athenz", auth_params="x")
