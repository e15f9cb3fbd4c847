"""Settings: flags and environment say the same, and a mistake is one line that names the setting."""

import pytest

from reference_merchant import mutants
from reference_merchant.config import SETTINGS, ConfigError, load

NEEDED = {"GATEWAY_URL": "http://127.0.0.1:8402/", "GATEWAY_SECRET_KEY": "sk_test_shop"}


def test_flags_win_over_the_environment() -> None:
    config = load(["--port", "0", "--retry-attempts=5"], {**NEEDED, "PORT": "99", "HOST": "::1"})

    assert (config.port, config.retry_attempts, config.host) == (0, 5, "::1")
    assert config.gateway_url == "http://127.0.0.1:8402"


def test_every_setting_is_a_flag_and_an_environment_variable() -> None:
    values = {"gateway_url": "http://h:1", "webhook_secrets": "whsec_QUJD", "host": "h", "port": "1"}
    for name in SETTINGS:
        value = values.get(name, "7")
        by_flag = load([f"--{name.replace('_', '-')}", value], NEEDED)
        by_environment = load([], {**NEEDED, name.upper(): value})
        assert by_flag == by_environment


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_URL", "ftp://x"),
        ("GATEWAY_URL", "localhost"),
        ("GATEWAY_SECRET_KEY", "two words"),
        ("WEBHOOK_SECRETS", "whsec_!!!"),
        ("WEBHOOK_SECRETS", "whsec_"),
        ("WEBHOOK_SECRETS", "whsec_QUJD whsec_"),
        ("WEBHOOK_SECRETS", "whsec_@1700000000"),
        ("WEBHOOK_SECRETS", "whsec_QUJD@tomorrow"),
        ("WEBHOOK_SECRETS", "whsec_QUJD@"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("RECONCILE_EVERY_S", "soon"),
        ("RETRY_CAP_S", "0"),
        ("GATEWAY_TIMEOUT_S", "nan"),
        ("RETRY_ATTEMPTS", "0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load([], {**NEEDED, name: value})

    assert str(raised.value).startswith(f"{name} (--")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} .*required"):
        load([], {key: value for key, value in NEEDED.items() if key != name})


def test_several_webhook_secrets_are_separated_by_spaces_and_one_may_come_in_the_singular() -> None:
    assert load([], {**NEEDED, "WEBHOOK_SECRETS": "whsec_QUJD whsec_REVG"}).webhook_secrets == (
        "whsec_QUJD",
        "whsec_REVG",
    )
    assert load([], {**NEEDED, "WEBHOOK_SECRET": "whsec_QUJD"}).webhook_secrets == ("whsec_QUJD",)


def test_a_webhook_secret_may_have_a_day_on_which_it_retires() -> None:
    text = "whsec_QUJD whsec_REVG@1700000000"

    assert load([], {**NEEDED, "WEBHOOK_SECRETS": text}).webhook_secrets == tuple(text.split())


def test_secrets_are_in_no_message_and_no_repr() -> None:
    config = load([], {**NEEDED, "WEBHOOK_SECRETS": "whsec_QUJD"})
    assert "sk_test_shop" not in repr(config)
    assert "whsec" not in repr(config)

    with pytest.raises(ConfigError) as raised:
        load([], {**NEEDED, "WEBHOOK_SECRETS": "whsec_se-cr-et"})
    assert "se-cr-et" not in str(raised.value)


def test_an_unknown_mutant_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"MUTANT .*'nope' is not one of .*naive"):
        mutants.load("nope")
