"""SMTP as a sender: what arrives at a real server, to the letter, and what its refusals and faults mean for a delivery."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from decouple import DeliveryFailed, DeliveryRefused, Notification
from decouple.notification import Kind, Publication, Way
from decouple.outbox import Outgoing
from decouple.post import Post
from decouple.senders import Email
from decouple.smtp import SMTP, encoded, subject_line

aiosmtpd = pytest.importorskip("aiosmtpd.smtp", reason="the test extra is not installed")

SECRET = "swordfish"
FAST = 0.2


class Mailbox:
    """What a server was told, and how it answers: `refusals` by command, and `hang` at one."""

    def __init__(self, refusals: dict[str, str], hang: str, guarded: bool) -> None:
        self.refusals = refusals
        self.hang = hang
        self.guarded = guarded
        self.mails: list[Any] = []
        self.port = 0

    def letter(self) -> EmailMessage:
        """The one mail it has, as a mail program reads it."""
        [mail] = self.mails
        letter = message_from_bytes(mail.content, policy=default)
        assert isinstance(letter, EmailMessage)
        return letter

    async def answer(self, command: str) -> str:
        if command == self.hang:
            await asyncio.Event().wait()
        return self.refusals.get(command, "250 2.0.0 OK")

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname  # without it the server thinks nobody said EHLO
        await self.answer("EHLO")
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.guarded and not session.authenticated:
            return "530 5.7.0 a password first"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return await self.answer("MAIL")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.rcpt_tos.append(address)
        return await self.answer("RCPT")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = await self.answer("DATA")
        if answer.startswith("250"):
            self.mails.append(envelope)
            return "250 2.0.0 queued as 81"
        return answer

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        answer = await self.answer("QUIT")
        return "221 bye" if answer.startswith("250") else answer


@contextmanager
def serving(connected: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a loop in a thread of its own; all of it is gone at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = run(loop.create_server(connected, "127.0.0.1", 0, ssl=tls))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        run(stop(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def mail_server(
    refusals: dict[str, str] | None = None, *, hang: str = "", tls: ssl.SSLContext | None = None, **settings: Any
) -> Iterator[Mailbox]:
    """A mail server that keeps what it takes."""
    mailbox = Mailbox(refusals or {}, hang, "authenticator" in settings)

    def connected() -> Any:
        return aiosmtpd.SMTP(mailbox, hostname="mail.test", loop=asyncio.get_running_loop(), **settings)

    with serving(connected, tls) as mailbox.port:
        yield mailbox


def guarded() -> dict[str, Any]:
    """Settings of a server that wants a password."""

    def check(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> Any:
        return aiosmtpd.AuthResult(success=(given.login, given.password) == (b"ann", SECRET.encode()), handled=False)

    return {"authenticator": check, "auth_require_tls": False}


def outgoing(
    body: str = "order 7",
    *,
    to: str = "ann@shop.test",
    subject: str | None = "News",
    id: str = "p-1",
    kind: Kind = "Notification",
    topic: str = "orders",
) -> Outgoing:
    arn = f"arn:aws:sns:us-east-1:000000000000:{topic}"
    way = Way(topic, arn, f"{arn}:s-1", "email", "https://sns.test", epoch=1_767_225_600_500_000_000)
    return Outgoing("email", to, subject, body, Notification(Publication(id, (body, 0, 1)), way, kind=kind))


def sent(mailbox: Mailbox, what: Outgoing, sender: str = "orders@shop.test", **settings: Any) -> str:
    return SMTP("127.0.0.1", mailbox.port, sender=sender, **settings)(what)


# -- what arrives ----------------------------------------------------------------------------------------------------


def test_a_mail_arrives_to_the_letter() -> None:
    with mail_server() as mailbox:
        answer = sent(mailbox, outgoing("order 7\n.\n..\nFrom here\nsum = 3"))

    [mail] = mailbox.mails
    assert answer == "250 2.0.0 queued as 81"
    assert (mail.mail_from, mail.rcpt_tos) == ("orders@shop.test", ["ann@shop.test"])
    assert re.sub(rb"<\w{32}@", b"<...@", mail.content) == (
        b"From: orders@shop.test\r\n"
        b"To: ann@shop.test\r\n"
        b"Subject: News\r\n"
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
        b"Message-ID: <...@shop.test>\r\n"
        b"Auto-Submitted: auto-generated\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: text/plain; charset="utf-8"\r\n'
        b"Content-Transfer-Encoding: quoted-printable\r\n"
        b"List-Unsubscribe: "
        b"<https://sns.test/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:000000000000:orders:s-1>\r\n"
        b"\r\n"
        b"order 7\r\n"
        b"=2E\r\n"
        b"..\r\n"
        b"From here\r\n"
        b"sum =3D 3\r\n"
    )


def test_a_topics_notification_arrives_through_the_post() -> None:
    what = outgoing()
    with mail_server() as mailbox:
        post = Post({"email": SMTP("127.0.0.1", mailbox.port, sender="Shop <orders@shop.test>")})
        answer = Email("ann@shop.test").deliver(what.notification, post)

    letter = mailbox.letter()
    assert answer == "250 2.0.0 queued as 81"
    assert (letter["From"], letter["Subject"]) == ("Shop <orders@shop.test>", "AWS Notification Message")
    assert letter.get_content().startswith("order 7\r\n\r\n--\r\nIf you wish to stop")
    assert what.notification.unsubscribe_url in letter.get_content()


def test_other_alphabets_arrive_in_ascii_wherever_a_mailbox_can_be_named_in_it() -> None:
    with mail_server() as mailbox:
        sent(mailbox, outgoing("Größe 7 für 例え", to="ann@münchen.test", subject="Größe"), "Käufe <orders@grün.test>")

    [mail] = mailbox.mails
    letter = mailbox.letter()
    assert mail.content.isascii()
    assert mail.mail_options == []
    assert (mail.mail_from, mail.rcpt_tos) == ("orders@xn--grn-ioa.test", ["ann@xn--mnchen-3ya.test"])
    assert (letter["Subject"], letter["From"]) == ("Größe", "Käufe <orders@xn--grn-ioa.test>")
    assert letter.get_content().rstrip() == "Größe 7 für 例え"


def test_a_mailbox_that_ascii_cannot_name_needs_a_server_that_takes_it() -> None:
    """RFC 6531, SMTPUTF8."""
    what = outgoing("order 7", to="jörg@shop.test", subject="Größe")

    with mail_server(enable_SMTPUTF8=True) as mailbox:
        sent(mailbox, what)
    with mail_server() as other, pytest.raises(DeliveryRefused, match="SMTPUTF8"):
        sent(other, what)

    [mail] = mailbox.mails
    assert (mail.rcpt_tos, mail.smtp_utf8) == (["jörg@shop.test"], True)
    assert "To: jörg@shop.test\r\n" in mail.content.decode()
    assert mailbox.letter()["Subject"] == "Größe"
    assert other.mails == []


def test_long_lines_are_wrapped_on_the_way_and_whole_again_at_the_end() -> None:
    body = f"{'order ' * 500}\n{'例' * 2_000}\n"
    subject = "n" * 99
    with mail_server() as mailbox:
        sent(mailbox, outgoing(body, subject=subject, topic="t" * 250))

    [mail] = mailbox.mails
    letter = mailbox.letter()
    assert max(map(len, mail.content.splitlines())) <= 998
    assert max(map(len, mail.content.partition(b"\r\n\r\n")[2].splitlines())) <= 76
    assert (letter.get_content(), letter["Subject"]) == (body.replace("\n", "\r\n"), subject)
    assert (
        f"<https://sns.test/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:000000000000:{'t' * 250}:s-1>"
        in (str(letter["List-Unsubscribe"]))
    )


@given(some.text(some.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=150))
@example("n" * 99)
@example("n" * 2_000)
@example(" =?utf-8?q?a?= ")
@example("Größe " * 30)
def test_any_subject_is_read_as_it_was_given(subject: str) -> None:
    line = subject_line(subject)

    letter = message_from_bytes(f"Subject: {line}\r\n\r\n".encode("ascii"), policy=default)
    assert letter["Subject"] == subject
    assert all(row.startswith((" ", "\t")) for row in line.split("\r\n")[1:])


@given(some.text(some.characters(exclude_categories=["Cs"])))
def test_any_text_is_read_as_it_was_given_but_for_its_line_ends(text: str) -> None:
    coding, body = encoded(text)

    head = f'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: {coding}\r\n\r\n'
    read = message_from_bytes(head.encode() + body, policy=default).get_payload(decode=True)
    assert isinstance(read, bytes)
    lines = re.sub("\r\n|\r|\n", "\r\n", text)
    assert read.decode() == (lines if lines.endswith("\r\n") else lines + "\r\n")
    assert re.fullmatch(rb"([\t -~]{0,76}\r\n)*", body)


@pytest.mark.parametrize(
    "subject", ["News\nBcc: eve@x.test", "News\r\n\r\nbody", "News\rX: 1", "a\x00b", "a\u2028b", "a\x85b"]
)
def test_a_subject_that_would_forge_a_header_is_refused_and_nothing_is_sent(subject: str) -> None:
    with mail_server() as mailbox, pytest.raises(DeliveryRefused, match="no mail can be made of it: its subject"):
        sent(mailbox, outgoing(subject=subject))

    assert mailbox.mails == []


@pytest.mark.parametrize(
    "to", ["ann@shop.test\r\nBcc: eve@x.test", "ann@shop.test>\r\nDATA", "ann@shop.test, eve@x.test", "<ann>"]
)
def test_an_address_that_would_forge_a_command_is_refused_and_nothing_is_sent(to: str) -> None:
    with mail_server() as mailbox, pytest.raises(DeliveryRefused, match="no mail can be made of it: a mail address"):
        sent(mailbox, outgoing(to=to))

    assert mailbox.mails == []


def test_a_link_that_would_forge_a_header_cannot() -> None:
    with mail_server() as mailbox:
        sent(mailbox, outgoing(topic="orders>\r\nBcc: eve@x.test"))

    assert mailbox.letter()["Bcc"] is None
    assert "orders%3E%0D%0ABcc:%20eve@x.test" in str(mailbox.letter()["List-Unsubscribe"])


def test_each_attempt_at_a_mail_has_the_same_message_id_and_no_other_mail_has() -> None:
    """RFC 5322, 3.6.4: a Message-ID is that of one message; a mailbox that gets it twice can tell."""
    mails = [outgoing(), outgoing(), outgoing(to="bob@shop.test"), outgoing(id="p-2"), outgoing(topic="bills")]
    with mail_server() as mailbox:
        for mail in mails:
            sent(mailbox, mail)

    ids = [message_from_bytes(mail.content)["Message-ID"] for mail in mailbox.mails]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_a_mail_that_asks_to_confirm_has_no_link_to_unsubscribe_in_its_head() -> None:
    with mail_server() as mailbox:
        sent(mailbox, outgoing(kind="SubscriptionConfirmation"))

    assert mailbox.letter()["List-Unsubscribe"] is None


def test_one_sender_serves_many_threads() -> None:
    with mail_server() as mailbox, ThreadPoolExecutor(8) as pool:
        send = SMTP("127.0.0.1", mailbox.port, sender="orders@shop.test")
        list(pool.map(send, [outgoing(to=f"u{number}@shop.test") for number in range(40)]))

    assert sorted(mail.rcpt_tos for mail in mailbox.mails) == sorted([f"u{number}@shop.test"] for number in range(40))


# -- refusals and faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_an_answer_from_500_on_is_a_refusal_for_good(command: str) -> None:
    with mail_server({command: "550 5.1.1 no such mailbox"}) as mailbox, pytest.raises(DeliveryRefused) as caught:
        sent(mailbox, outgoing())

    assert str(caught.value) == (
        f"ann@shop.test did not take the notification: 127.0.0.1:{mailbox.port} answered 550 5.1.1 no such mailbox"
    )
    assert (caught.value.endpoint, caught.value.status) == ("ann@shop.test", 550)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_an_answer_from_400_on_is_a_fault_to_try_again(command: str) -> None:
    with (
        mail_server({command: "451 4.3.0 later"}) as mailbox,
        pytest.raises(DeliveryFailed, match="answered 451") as caught,
    ):
        sent(mailbox, outgoing())

    assert type(caught.value) is DeliveryFailed
    assert caught.value.status == 451


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_server_that_takes_too_long_is_a_fault(command: str) -> None:
    with mail_server(hang=command) as mailbox, pytest.raises(DeliveryFailed, match="timed out") as caught:
        sent(mailbox, outgoing(), timeout=FAST)

    assert (type(caught.value), caught.value.status) == (DeliveryFailed, None)


@pytest.mark.parametrize(("refusals", "hang"), [({"QUIT": "451 no"}, ""), ({"QUIT": "550 no"}, ""), ({}, "QUIT")])
def test_a_goodbye_that_fails_does_not_have_the_mail_sent_again(refusals: dict[str, str], hang: str) -> None:
    with mail_server(refusals, hang=hang) as mailbox:
        answer = sent(mailbox, outgoing(), timeout=FAST)

    assert (answer, len(mailbox.mails)) == ("250 2.0.0 queued as 81", 1)


class Speaks(asyncio.Protocol):
    """A server that says one thing and hangs up."""

    def __init__(self, words: bytes) -> None:
        self.words = words

    def connection_made(self, transport: Any) -> None:
        transport.write(self.words)
        transport.close()


@pytest.mark.parametrize(
    ("words", "kind", "status"),
    [
        (b"", DeliveryFailed, None),
        (b"220 mail.test\r\n", DeliveryFailed, None),
        (b"421 busy\r\n", DeliveryFailed, 421),
        (b"554 not you\r\n", DeliveryRefused, 554),
        (b"HTTP/1.1 400 Bad Request\r\n", DeliveryFailed, None),
    ],
    ids=["hangs up", "greets and hangs up", "is busy", "wants none", "is no mail server"],
)
def test_a_server_that_hangs_up_is_a_fault_and_one_that_wants_none_a_refusal(
    words: bytes, kind: type[DeliveryFailed], status: int | None
) -> None:
    with serving(lambda: Speaks(words)) as port, pytest.raises(DeliveryFailed) as caught:
        SMTP("127.0.0.1", port, sender="orders@shop.test", timeout=FAST)(outgoing())

    assert (type(caught.value), caught.value.status) == (kind, status)


def test_a_server_that_is_not_there_is_a_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(DeliveryFailed, match=f"127.0.0.1:{port}: .*refused") as caught:
        SMTP("127.0.0.1", port, sender="orders@shop.test")(outgoing())

    assert type(caught.value) is DeliveryFailed


# -- passwords and TLS -----------------------------------------------------------------------------------------------


def test_a_server_that_wants_a_password_is_given_it() -> None:
    with mail_server(**guarded()) as mailbox:
        sent(mailbox, outgoing(), username="ann", password=SECRET)

    assert len(mailbox.mails) == 1


def test_a_wrong_password_is_a_refusal_and_is_not_shown() -> None:
    with mail_server(**guarded()) as mailbox, pytest.raises(DeliveryRefused) as caught:
        sent(mailbox, outgoing(), username="ann", password="sw0rdfish")

    assert caught.value.status == 535
    assert "sw0rdfish" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


def test_a_server_that_wants_a_password_refuses_those_without() -> None:
    with mail_server(**guarded()) as mailbox, pytest.raises(DeliveryRefused, match="answered 530"):
        sent(mailbox, outgoing())


def test_a_password_is_not_sent_to_a_server_that_takes_none() -> None:
    with mail_server() as mailbox, pytest.raises(DeliveryRefused, match="cannot do it: SMTP AUTH"):
        sent(mailbox, outgoing(), username="ann", password=SECRET)


Trust = Callable[[str], ssl.SSLContext]


@pytest.fixture
def trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Trust:
    """Makes the TLS of a server of that name, whose authority this machine trusts."""
    trustme = pytest.importorskip("trustme", reason="the test extra is not installed")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))

    def context(name: str) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(made)
        return made

    return context


def over(security: str, context: ssl.SSLContext, **settings: Any) -> AbstractContextManager[Mailbox]:
    """A server that speaks TLS from the first byte, or once it is asked to."""
    if security == "tls":
        return mail_server(tls=context, **settings)
    return mail_server(tls_context=context, require_starttls=True, **settings)


SECURITIES = pytest.mark.parametrize("security", ["starttls", "tls"])


@SECURITIES
def test_mail_and_password_go_over_tls(security: str, trust: Trust) -> None:
    with over(security, trust("127.0.0.1"), **guarded()) as mailbox:
        sent(mailbox, outgoing(), username="ann", password=SECRET, security=security)

    assert len(mailbox.mails) == 1


@SECURITIES
def test_a_certificate_of_another_server_is_a_fault_and_nothing_is_sent(security: str, trust: Trust) -> None:
    with (
        over(security, trust("mail.test")) as mailbox,
        pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        sent(mailbox, outgoing(), security=security)

    assert mailbox.mails == []


def test_a_server_without_starttls_is_not_given_the_mail_in_the_clear() -> None:
    with mail_server() as mailbox, pytest.raises(DeliveryRefused, match="STARTTLS extension not supported"):
        sent(mailbox, outgoing(), security="starttls")

    assert mailbox.mails == []


def test_a_server_that_insists_on_tls_refuses_mail_in_the_clear(trust: Trust) -> None:
    with over("starttls", trust("127.0.0.1")) as mailbox, pytest.raises(DeliveryRefused, match="530"):
        sent(mailbox, outgoing())


# -- settings --------------------------------------------------------------------------------------------------------


def test_it_shows_itself_without_the_password() -> None:
    sender = SMTP(
        "mail.shop.test", 587, sender="Shop <a@shop.test>", username="ann", password=SECRET, security="starttls"
    )

    assert repr(sender) == (
        "SMTP('mail.shop.test', 587, sender='Shop <a@shop.test>', username='ann', security='starttls')"
    )
    assert repr(SMTP(sender="a@shop.test")) == "SMTP('localhost', 25, sender='a@shop.test')"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"host": ""}, "host"),
        ({"host": None}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65_536}, "port"),
        ({"port": True}, "port"),
        ({"port": "25"}, "port"),
        ({"security": "ssl"}, "security must be 'starttls', 'tls' or None, not 'ssl'"),
        ({"username": "ann"}, "together"),
        ({"password": SECRET}, "together"),
        ({"username": "ann", "password": f"{SECRET}ü"}, "ASCII"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"sender": "shop"}, "one @"),
        ({"sender": "jörg@shop.test"}, "sender must be"),
        ({"sender": "Shop\nBcc: <a@shop.test>"}, "sender must be"),
        ({"sender": "a@shop.test\r\nBcc: eve@x.test"}, "one @"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_at_the_door(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        SMTP(**{"sender": "orders@shop.test"} | settings)

    assert SECRET not in str(caught.value)


def test_smtplib_is_loaded_with_the_first_mail() -> None:
    import subprocess
    import sys

    program = "import sys; from decouple.smtp import SMTP; SMTP(sender='a@b.test'); print('smtplib' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "False"
