"""Secrets in command lines and patches are masked; what is no secret stays."""

from __future__ import annotations

import pytest

from keepbest.provenance.secrets import mask_command, mask_text, mask_url


@pytest.mark.parametrize(
    ("word", "masked"),
    [
        ("--token=abc", "--token=***"),
        ("HF_TOKEN=abc", "HF_TOKEN=***"),
        ("db.password=abc", "db.password=***"),
        ("--wandb-api-key=abc", "--wandb-api-key=***"),
        ("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=***"),
        ("postgresql://ada:geheim@db/x", "postgresql://***@db/x"),
        ("ghp_" + "a" * 36, "***"),
        ("kb_" + "a" * 43, "***"),
        ("+a.token=abc", "+a.token=***"),
        ('--opt={"password":"x"}', '--opt={"password":"***"}'),
        ("api_key = 'geheim'; train()", "api_key = '***'; train()"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("--lr=0.1", "--lr=0.1"),
        ("--tokenizer=bpe", "--tokenizer=bpe"),
        ("--max-tokens-per-batch=4096", "--max-tokens-per-batch=4096"),
        ("--monkey=3", "--monkey=3"),
        ("data/secrets.csv", "data/secrets.csv"),
    ],
)
def test_a_word_of_a_command(word: str, masked: str) -> None:
    assert mask_command([word]) == [masked]


def test_the_word_after_a_secret_option_is_masked() -> None:
    words = ["train.py", "--password", "geheim", "--token", "--lr", "1"]
    assert mask_command(words) == ["train.py", "--password", "***", "--token", "--lr", "1"]


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('+API_KEY = "abc"', '+API_KEY = "***"'),
        ("+password: geheimnis", "+password: ***"),
        ('+    "client_secret": "abc",', '+    "client_secret": "***",'),
        ("+export HF_TOKEN=abcdefgh", "+export HF_TOKEN=***"),
        ("+url = 'https://ada:geheim@host/x'", "+url = 'https://***@host/x'"),
        ("+key = 'AKIAABCDEFGHIJKLMNOP'", "+key = '***'"),
        ("+token = read_token(path)", "+token = read_token(path)"),
        ("+    password: SecretStr", "+    password: SecretStr"),
        ("+f(token=my_token, key=os.environ['KEY'])", "+f(token=my_token, key=os.environ['KEY'])"),
        ("+f(token=abc123def456)", "+f(token=***)"),
        ("+rate = 0.1  # tokens: many", "+rate = 0.1  # tokens: many"),
        ("+tokenizer = make(words)", "+tokenizer = make(words)"),
    ],
)
def test_a_line_of_a_patch(line: str, masked: str) -> None:
    assert mask_text(line) == masked


def test_a_private_key_keeps_its_lines() -> None:
    key = '+KEY = """-----BEGIN RSA PRIVATE KEY-----\n+abc\n-def\n+-----END RSA PRIVATE KEY-----"""\n'
    assert mask_text(key) == '+KEY = """-***\n+***\n-***\n+***"""\n'


def test_a_name_at_a_lines_end_takes_no_other_line() -> None:
    patch = "+Password:\n+https://foo.example/1\n+token=\n+abcdefgh1\n"
    assert mask_text(patch) == patch


def test_an_address_loses_user_and_password() -> None:
    assert mask_url("https://x-token:abc@example.org/a.git") == "https://example.org/a.git"
    assert mask_url("https://ada:p@ss@example.org/a.git?private_token=abc") == "https://example.org/a.git"
    assert mask_url("git@example.org:ada/a.git") == "git@example.org:ada/a.git"
