"""What [bowl] and [mail] must agree on, so that no door stands open and no password goes in the clear."""

import pytest

from nm.config import ConfigError, parse

TLS = 'certificate = "/etc/nm/bowl.pem"\nserver_key = "/etc/nm/bowl.key"\n'
LOCAL = '[bowl]\naddresses = ["127.0.0.1"]\n'
ADMINS = 'host = "mail.example.org"\nadmins = ["admin@example.org"]\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[bowl]\naddresses = ["0.0.0.0"]', "not the loopback's"),
        ('[bowl]\naddresses = ["127.0.0.1", "::"]\ntoken = "bowl"', "not the loopback's"),
        (f'[bowl]\naddresses = ["0.0.0.0"]\n{TLS}', "neither bowl.token nor bowl.clients"),
        (f'{LOCAL}certificate = "/etc/nm/bowl.pem"\ntoken = "bowl"', "just one is set"),
        (f'{LOCAL}clients = "/etc/nm/ca.pem"', "bowl.certificate is not"),
        ('[bowl]\naddresses = ["example.org"]', "different addresses"),
        ('[bowl]\ntoken = "../bowl"', "a name"),
        ('[mail]\nhost = ""', "a host's name"),
        (f'[mail]\n{ADMINS}user = "nm"\ntls = "tls"', "mail.password is empty"),
        (f'[mail]\n{ADMINS}user = "nm"\npassword = "mail"', "the password is sent"),
        ('[mail]\nadmins = ["admin@example.org\\nBcc: all@example.org"]', "mail addresses"),
        ('[mail]\nsender = "nm"', "a mail address"),
        ('[mail]\ntls = "ssl"', "one of none, starttls, tls"),
    ],
)
def test_what_does_not_agree_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[bowl]\naddresses = ["127.0.0.1", "::1"]\ncallers = ["portal"]',
        f'[bowl]\naddresses = ["0.0.0.0"]\n{TLS}token = "bowl"',
        f'[bowl]\naddresses = ["::"]\n{TLS}clients = "/etc/nm/ca.pem"',
        f"[mail]\n{ADMINS}",
        f'[mail]\n{ADMINS}user = "nm"\npassword = "mail"\ntls = "starttls"\nport = 587',
    ],
)
def test_what_agrees_is_taken(text: str) -> None:
    assert (parse(text).bowl, parse(text).mail) != (parse("").bowl, parse("").mail)
