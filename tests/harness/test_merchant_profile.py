"""Profiles: templates keep types, pointers find values, words are translated."""

from dataclasses import replace
from pathlib import Path

import pytest

from gatecrash.harness.merchant_profile import ProfileError, load, parse, reference
from gatecrash.harness.templates import Call, fill, resolve


def test_a_placeholder_alone_takes_the_typed_value() -> None:
    template = {
        "amount": "{amount}",
        "note": "order {order_id} for {amount}",
        "list": ["{amount}"],
        "flag": True,
    }
    assert fill(template, {"amount": 4200, "order_id": "o1"}) == {
        "amount": 4200,
        "note": "order o1 for 4200",
        "list": [4200],
        "flag": True,
    }


def test_a_placeholder_without_a_value_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="order_id"):
        Call(method="GET", path="/orders/{order_id}").fill({})


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", {"a": [{"b/c": 1}]}),
        ("/a/0/b~1c", 1),
        ("/a/1", None),
        ("/a/x", None),
        ("/nowhere/at/all", None),
    ],
)
def test_a_json_pointer_finds_its_value_or_nothing(pointer: str, found: object) -> None:
    assert resolve({"a": [{"b/c": 1}]}, pointer) == found


def test_the_shops_words_are_translated_and_others_kept() -> None:
    shop = replace(reference(), statuses={"COMPLETE": "PAID"})
    assert [shop.status(word) for word in ("complete", "Failed", "", None, 7)] == [
        "PAID",
        "FAILED",
        None,
        None,
        None,
    ]


def test_a_mutant_is_the_reference_merchant_with_one_flag_more() -> None:
    careful, naive = reference().start, reference("naive").start
    assert careful is not None
    assert naive is not None
    assert naive.command == (*careful.command, "--mutant", "naive")
    assert reference("naive").name == "naive"


PROFILE = """\
name = "mine"

[start]
command = ["node", "server.js", "{port}"]

[start.env]
PAYMENTS_URL = "{gateway_url}"

[place_order]
path = "/cart/checkout"
form = { total = "{amount}" }
order_id = "/order/number"

[pay]
method = "PUT"
path = "/pay/{order_id}"
body = { token = "{nonce}" }

[read_order]
path = "/order/{order_id}"
status = "/order/state"

[statuses]
PAID = ["complete", "shipped"]
"""


def test_a_profile_is_read_with_what_it_leaves_out_filled_in(tmp_path: Path) -> None:
    shop = parse(PROFILE, tmp_path / "merchant.toml")
    assert shop.start is not None
    assert shop.start.command == ("node", "server.js", "{port}")
    assert shop.start.cwd == tmp_path
    assert (shop.place_order.method, shop.place_order.form, shop.order_id) == ("POST", True, "/order/number")
    assert (shop.pay.method, shop.pay_status) == ("PUT", "/status")
    assert (shop.read_order.method, shop.order_status, shop.fulfilments) == ("GET", "/order/state", None)
    assert (shop.status("Shipped"), shop.webhook_path, shop.ready, shop.reconcile_s) == ("PAID", None, "/healthz", 1.0)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "mine"', 'name = "mine"\ncolour = "red"', ":2: found unknown 'colour', expected only name, url"),
        ('path = "/cart/checkout"', "", ":9: [place_order]: found 'path' missing"),
        ('path = "/pay/{order_id}"', 'path = "pay"', ":16: [pay] path: found 'pay', expected a path that begins with /"),
        ('["node", "server.js", "{port}"]', '"node server.js"', ":4: [start] command: found 'node server.js', expected a list"),
        ("{gateway_url}", "{gateway}", ":7: [start] env.PAYMENTS_URL: found {gateway}; did you mean gateway_url?"),
        ('"{port}"]', '"{amount}"]', ":4: [start] command.2: found {amount}, expected one of"),
        ('method = "PUT"', 'method = "BUY"', ":15: [pay] method: found 'BUY', expected one of GET, POST"),
        ("[start]", 'url = "http://127.0.0.1:1"\n[start]', ":1: found 'start' and 'url', expected either a table [start]"),
        ('name = "mine"', "name = mine", "merchant.toml:1: not TOML: "),
        ('"{port}"]', '"8000"]', ":3: [start]: found no {port} in it; the port is picked free for each run"),
        ('[start.env]\nPAYMENTS_URL = "{g', 'env.PAYMENTS_URL = "{', ":6: [start] env.PAYMENTS_URL: found {ateway_url}"),
        ("PAID =", "SOLD =", ":24: [statuses]: found unknown 'SOLD', expected only PENDING"),
        ("[pay]", "[payy]", ":14: found unknown 'payy'; did you mean pay?"),
        ('method = "PUT"', 'method = "put"', ":15: [pay] method: found 'put'; did you mean PUT?"),
        (
            'name = "mine"',
            "name = 2026-01-31",
            ':1: name: found the date 2026-01-31, expected text in quotes: put it in quotes, "',
        ),
        ("[read_order]", "[timeouts]\nready_s = 0\n[read_order]", ":20: [timeouts] ready_s: found 0, expected more than 0"),
        ('path = "/order/{order_id}"', "", ":19: [read_order]: found none of 'path', 'command', expected either path, a page"),
        ('"/pay/{order_id}"', '"/pay/{oder_id}"', ":16: [pay] path: found {oder_id}; did you mean order_id"),
        ("form = {", "body = { a = 1 }\nform = {", ":12: [place_order]: found body and form, expected one of them"),
        ("[place_order]", "[[visit]]\npath = 'login'\n[place_order]", ":10: [[visit]] path: found 'login', expected a path"),
        (
            "[place_order]",
            "[[visit]]\npath = '/'\ntake = { nonce = '/x' }\n[place_order]",
            ":11: [[visit]] take.nonce: {nonce} has",
        ),
        ("[place_order]", "[[visit]]\npath = '/'\n[[visit]]\npath = '/{a}'\n[place_order]", ":12: [[visit]] path: found {a}"),
        ('method = "PUT"', 'codes = { 999 = "PAID" }', ":15: [pay] codes: found '999', expected an HTTP status from 200 to 599"),
    ],
)
def test_a_profile_with_a_mistake_is_refused_with_the_line_what_was_found_and_what_was_expected(
    old: str, new: str, told: str
) -> None:
    with pytest.raises(ProfileError) as refused:
        parse(PROFILE.replace(old, new, 1), Path("merchant.toml"))
    assert told in str(refused.value)


def test_a_dialect_without_a_till_is_refused_with_the_nearest() -> None:
    text = PROFILE + '\n[gateway]\ndialect = "nativ"\n'
    with pytest.raises(ProfileError, match=r"\[gateway\] dialect: no till for the dialect called 'nativ'; did you mean native\?"):
        parse(text, Path("merchant.toml"))
    assert parse(text.replace("nativ", "native"), Path("merchant.toml")).dialect == "native"


def test_a_profile_without_a_start_says_where_the_merchant_runs() -> None:
    text = PROFILE[: PROFILE.index("[start]")] + 'url = "http://127.0.0.1:8500/"\n' + PROFILE[PROFILE.index("[place_order]") :]
    shop = parse(text, Path("merchant.toml"))
    assert (shop.start, shop.url, shop.gateway_port, shop.sandbox) == (None, "http://127.0.0.1:8500", 8402, "story")
    with pytest.raises(ProfileError, match=r"found none of 'start', 'url', expected either a table \[start\] .* or url"):
        parse(text.replace("url =", "#"), Path("merchant.toml"))


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"merchant\.toml: cannot be read: No such file or directory; `gatecrash init` writes one"
    ):
        load(tmp_path / "merchant.toml")
    with pytest.raises(ProfileError, match=r": is a folder; name a file; `gatecrash init` writes one"):
        load(tmp_path)
    (tmp_path / "merchant.toml").write_text(PROFILE, encoding="utf-8")
    with pytest.raises(ProfileError, match=r": is a folder; name a file in it, such as .*merchant\.toml"):
        load(tmp_path)
    (tmp_path / "merchant.toml").write_bytes(b'name = "caf\xe9"')
    with pytest.raises(ProfileError, match="it is no UTF-8 text, at byte 11"):
        load(tmp_path / "merchant.toml")


def test_a_byte_order_mark_as_some_editors_write_it_is_no_part_of_a_profile(tmp_path: Path) -> None:
    (tmp_path / "merchant.toml").write_text(PROFILE, encoding="utf-8-sig")
    assert load(tmp_path / "merchant.toml").name == "mine"


def test_a_shop_without_orders_and_pages_is_a_profile_too() -> None:
    text = PROFILE[: PROFILE.index("[place_order]")] + '[pay]\npath = "/pay"\nbody = { sum = "{amount}", token = "{nonce}" }\n'
    shop = parse(text, Path("merchant.toml"))
    assert (shop.place_order, shop.read_order) == (None, None)
    assert shop.orders_speak_of("amount")
    assert not shop.orders_speak_of("currency")


def test_what_visits_take_are_placeholders_of_the_calls_and_of_nothing_else() -> None:
    visit = '[[visit]]\npath = "/login"\ntake = { csrf = "field:csrf" }\n\n[place_order]\nheaders = { X-CSRF = "{csrf}" }'
    text = PROFILE.replace("[place_order]", visit)
    [found] = parse(text, Path("merchant.toml")).visits
    assert (found.call.told(), found.take) == ("GET /login", {"csrf": "field:csrf"})
    with pytest.raises(ProfileError, match=r"env.PAYMENTS_URL: found \{csrf\}"):
        parse(text.replace("{gateway_url}", "{csrf}"), Path("merchant.toml"))


def test_a_command_that_reads_orders_is_for_real_processes() -> None:
    command = 'command = ["{python}", "books.py", "{order_id}"]'
    text = PROFILE.replace('path = "/order/{order_id}"', command) + '[simulated]\napp = "shop:app"\n'
    shop = parse(text, Path("merchant.toml"))
    with pytest.raises(ProfileError, match=r"\[read_order\] command: a command cannot look into simulated time"):
        shop.application()
