"""redis-py with 2FApi: every connection proves itself before anything else is sent on it."""

import subprocess

from redis.exceptions import MovedError

__all__ = ["proving", "by_command"]


def proving(client_id, prove, credential_id=None):
    """What `redis_connect_func` takes, of Redis, ConnectionPool, Sentinel and RedisCluster.

    `prove` is given a nonce in hex and answers the proof in hex; `credential_id` says whose it is, where that is not
    the client's first credential. A connection that the server closes,
    as it does when the session ends, is made anew by redis-py, and proves itself again.
    """

    def connect(connection):
        connection.on_connect()
        connection.send_command("2FAPI.CHALLENGE", client_id)
        try:
            challenge_id, nonce = map(_text, connection.read_response())
        except MovedError:
            # A node of a cluster where other clients are at home: it is asked for the way, no more.
            return
        named = () if credential_id is None else ("CREDENTIAL", credential_id)
        connection.send_command("2FAPI.VERIFY", client_id, challenge_id, prove(nonce), *named)
        connection.read_response()

    return connect


def by_command(client_id, *options):
    """Proofs by the command `2fapi`, which keeps the credential."""

    def prove(nonce):
        command = ["2fapi", "prove", client_id, "--nonce", nonce, *options]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return prove


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
