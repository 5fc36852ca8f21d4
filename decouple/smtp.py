"""SMTP: a sender of mail for a broker, over the standard library's smtplib.

It writes the message, hands it to one server, and tells a refusal, which is for good, from a fault, which the topic tries
again. Each mail has a connection of its own: so threads share nothing and no lock is held over a network; there is no idle
connection for the server to close; and one mail's fault is not another's. It costs some round trips a mail. Bulk mail is
the server's business: it is meant to be a near one that relays.
Sources: RFC 5321 (SMTP), 5322 (message), 2045-2047 (MIME), 6531 (SMTPUTF8), 2369 (List-Unsubscribe).
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from decouple.addresses import check_address, wire_address
from decouple.clock import Seconds, nanoseconds
from decouple.core.settings import SECOND
from decouple.errors import DeliveryFailed, DeliveryRefused

if TYPE_CHECKING:
    import smtplib
    import ssl

    from decouple.outbox import Outgoing

__all__ = ["SMTP"]

Security: TypeAlias = Literal["starttls", "tls"]

LINE_BREAK = re.compile(r"\r\n|\r|\n")
LONGEST_LINE = 980  # with "Subject: "
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class SMTP:
    """Sends mail through an SMTP server: `Broker(senders={"email": SMTP("mail.shop.test", 587, sender=..., ...)})`.

    sender: the address mail comes from, "orders@shop.test" or "Shop <orders@shop.test>", before its @ in ASCII; security:
    "starttls" (mostly port 587), "tls" from the first byte (465), or None, where the password goes in the clear too;
    certificates are checked by the system's authorities, or SSL_CERT_FILE; timeout: seconds for the connection and for
    each answer, over 0. Raises TypeError, ValueError.

    Called with an Outgoing it returns the server's last answer as text. Raises DeliveryRefused (an answer from 500 on: no
    such mailbox, wrong password, too large; or the server cannot do what is asked) and DeliveryFailed (an answer below, a
    connection that fails or takes too long), both with the answer's number as `status`. Cost: a connection for each mail.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 25,
        *,
        sender: str,
        username: str | None = None,
        password: str | None = None,
        security: Security | None = None,
        timeout: Seconds = 10,
    ) -> None:
        if not isinstance(host, str) or not host:
            raise ValueError(f"host must be the name or address of a mail server, not {host!r}")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65_536:
            raise ValueError(f"port must be a number from 1 to 65535, not {port!r}")
        if security not in (None, "starttls", "tls"):
            raise ValueError(f"security must be 'starttls', 'tls' or None, not {security!r}")
        if (username is None) != (password is None):
            raise ValueError("username and password come together: give both, or neither")
        if not f"{username}{password}".isascii():  # smtplib would fail at each mail, with the password in its error
            raise ValueError("username and password must be ASCII: smtplib sends no others")
        self.host = host
        self.port = port
        self.security = security
        self.username = username
        self.timeout = nanoseconds(timeout, "timeout", least=0.001) / SECOND
        self.sender = sender
        self._name, self._address = read_sender(sender)
        self._password = password

    def __repr__(self) -> str:
        user = "" if self.username is None else f", username={self.username!r}"
        security = "" if self.security is None else f", security={self.security!r}"
        return f"SMTP({self.host!r}, {self.port}, sender={self.sender!r}{user}{security})"

    def __call__(self, outgoing: Outgoing) -> str:
        import smtplib  # here, because most programs send no mail

        try:
            mail = self._written(outgoing)
        except ValueError as error:
            raise DeliveryRefused(outgoing.to, why=f"no mail can be made of it: {error}") from error
        try:
            return self._hand_over(wire_address(outgoing.to), mail)
        except smtplib.SMTPResponseException as error:
            kind = DeliveryRefused if error.smtp_code >= 500 else DeliveryFailed
            status = error.smtp_code if error.smtp_code > 0 else None  # smtplib has -1 for what is no answer
            why = f"{self.host}:{self.port} answered {status or 'in no SMTP:'} {shown(error.smtp_error)}"
            raise kind(outgoing.to, why=why, status=status) from error
        except smtplib.SMTPNotSupportedError as error:
            raise DeliveryRefused(outgoing.to, why=f"{self.host}:{self.port} cannot do it: {error}") from error
        except OSError as error:  # smtplib's others, and what sockets and TLS raise
            raise DeliveryFailed(outgoing.to, why=f"{self.host}:{self.port}: {error}") from error

    # -- the talk with the server --------------------------------------------------------------------------------

    def _hand_over(self, to: str, mail: bytes) -> str:
        from contextlib import closing, suppress

        options = [] if to.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        with closing(self._connected()) as server:
            self._introduce(server)
            accepted(server.mail(self._address, options))
            accepted(server.rcpt(to))
            answer = accepted(server.data(mail))
            with suppress(OSError):  # it has the mail: a goodbye that fails must not have it sent again
                server.quit()
        return answer

    def _connected(self) -> smtplib.SMTP:
        import smtplib

        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, self._own_name, timeout=self.timeout, context=self._context)
        return smtplib.SMTP(self.host, self.port, self._own_name, timeout=self.timeout)

    def _introduce(self, server: smtplib.SMTP) -> None:
        if self.security == "starttls":
            accepted(server.starttls(context=self._context))
        server.ehlo_or_helo_if_needed()
        if self.username is not None and self._password is not None:
            server.login(self.username, self._password)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        import ssl

        return ssl.create_default_context()  # smtplib's own would check no certificate

    @cached_property
    def _own_name(self) -> str:
        # smtplib would ask the resolver for each connection, which no timeout limits.
        import socket

        name = socket.getfqdn()
        return name if "." in name and name.isascii() else "[127.0.0.1]"

    # -- the message ---------------------------------------------------------------------------------------------

    def _written(self, outgoing: Outgoing) -> bytes:
        """The mail as it goes over the wire. Raises ValueError for what cannot be in one."""
        from email.utils import format_datetime, formataddr

        coding, body = encoded(outgoing.body)
        notification = outgoing.notification
        head = {
            "From": formataddr((self._name, self._address)),
            "To": wire_address(check_address(outgoing.to)),
            "Subject": subject_line(outgoing.subject or ""),
            "Date": format_datetime(notification.published_at),
            "Message-ID": f"<{identity(outgoing)}@{self._address.partition('@')[2]}>",
            "Auto-Submitted": "auto-generated",  # so that nobody's out-of-office answers it
            "MIME-Version": "1.0",
            "Content-Type": 'text/plain; charset="utf-8"',
            "Content-Transfer-Encoding": coding,
        }
        if notification.kind == "Notification":
            head["List-Unsubscribe"] = f"<{url(notification.unsubscribe_url)}>"
        # Not EmailMessage: its folding encodes a link of over 78 characters, and then it is no link any more.
        return "".join(f"{name}: {value}\r\n" for name, value in head.items()).encode() + b"\r\n" + body


def read_sender(sender: str) -> tuple[str, str]:
    """Name and address, from "a@b.test" or "Name <a@b.test>"."""
    name, bracket, rest = sender.rpartition("<") if isinstance(sender, str) else ("", "", sender)
    address = wire_address(check_address(rest.removesuffix(">") if bracket else rest))
    if not address.isascii() or not name.isprintable():
        raise ValueError(f"sender must be an address, ASCII before its @, with or without a name, not {sender!r}")
    return name.strip().strip('"'), address


def subject_line(subject: str) -> str:
    from email.header import Header

    if CONTROL.search(subject):
        raise ValueError(f"its subject {subject!r:.120} holds a line break or another control character")
    # Left as it is what comes back as it is: "=?" begins a word in MIME's code, spaces at an end are cut off, and a line
    # over 998 characters is none. Folding shorter ones would put a space before a long word.
    if subject.isascii() and "=?" not in subject and subject == subject.strip() and len(subject) < LONGEST_LINE:
        return subject
    return Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")


def encoded(text: str) -> tuple[str, bytes]:
    """A text in ASCII and short lines that end as mail's do, in the shorter of MIME's two codes, with that code's name."""
    from base64 import encodebytes
    from binascii import b2a_qp

    lines = LINE_BREAK.sub("\r\n", text)
    data = (lines if lines.endswith("\r\n") else lines + "\r\n").encode()
    quoted = b2a_qp(data)
    packed = encodebytes(data).replace(b"\n", b"\r\n")
    return ("quoted-printable", quoted) if len(quoted) <= len(packed) else ("base64", packed)


def identity(outgoing: Outgoing) -> str:
    """The same for each attempt at one mail, so that mailboxes can tell a copy; another for all else."""
    from hashlib import sha256

    of = outgoing.notification
    what = (outgoing.to, outgoing.protocol, of.kind, of.id, of.token, of.replayed, of.way.topic_arn, of.published_at)
    return sha256(repr(what).encode()).hexdigest()[:32]


def url(link: str) -> str:
    """The link, with what a header or its brackets cannot hold in %-code."""
    from urllib.parse import quote

    return quote(link, safe="%/:?=&#@!$'()*+,;[]~")


def accepted(answer: tuple[int, Any]) -> str:
    """The text of a good answer. Raises SMTPResponseException."""
    code, text = answer
    if not 200 <= code < 300:
        import smtplib

        raise smtplib.SMTPResponseException(code, text)
    return f"{code} {shown(text)}"


def shown(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
