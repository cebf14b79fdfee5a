"""``orc dynamodb``: a table made and found again, and templates that tools accept."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys

import boto3
import pytest
from moto import mock_aws

from orc.cli.dynamodb.template import ACTIONS, template
from orc.cli.main import main


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        made = boto3.client("dynamodb", region_name="eu-west-1")
        yield made
        made.close()


def create(name="cache"):
    return main(["dynamodb", "create-table", name, "--region", "eu-west-1"])


def test_a_table_is_made_and_found_again(client, capsys):
    """The second time it says what is there, and changes nothing."""
    assert create() == 0
    assert "is made" in capsys.readouterr().out
    live = client.describe_time_to_live(TableName="cache")["TimeToLiveDescription"]
    assert (live["TimeToLiveStatus"], live["AttributeName"]) == ("ENABLED", "x")
    found = client.describe_table(TableName="cache")["Table"]
    assert found["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert create() == 0
    out = capsys.readouterr().out
    assert "is there already" in out
    assert "is on already" in out


@pytest.mark.parametrize(("key", "kind"), [("id", "S"), ("pk", "N")])
def test_a_table_with_another_key_is_not_taken(client, capsys, key, kind):
    """It may be somebody's data: the key is named, and nothing is changed."""
    client.create_table(
        TableName="cache",
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert create() == 1
    assert f"{key} ({kind}, HASH)" in capsys.readouterr().err
    live = client.describe_time_to_live(TableName="cache")["TimeToLiveDescription"]
    assert live["TimeToLiveStatus"] == "DISABLED"


@pytest.mark.parametrize("name", ["a b", "ab", 'x"y"z', "x" * 256])
def test_a_name_that_dynamodb_does_not_take_is_refused(capsys, name):
    """Before anything is asked or printed."""
    assert create(name) == 2
    assert main(["dynamodb", "template", "--format", "sam", "--table", name]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("form", ["sam", "terraform", "cdk"])
def test_a_template_grants_what_the_tier_does_and_no_more(capsys, form):
    """No wildcard stands in it, and each right once."""
    arguments = ["--format", form, "--table", "my-table", "--function", "my-fn"]
    assert main(["dynamodb", "template", *arguments]) == 0
    text = capsys.readouterr().out
    assert all(text.count(each) == 1 for each in ACTIONS)
    assert text.count("dynamodb:") - text.count("dynamodb://") == len(ACTIONS)
    assert '"*"' not in text
    assert "dynamodb:*" not in text
    assert all(each in text for each in ("my-table", "my-fn", "ORC_TIERS", "PAY_PER_REQUEST"))


def test_cfn_lint_accepts_the_sam_template(tmp_path, require):
    """AWS's own linter finds nothing."""
    from importlib.util import find_spec

    require("cfn-lint", find_spec("cfnlint"))
    path = tmp_path / "template.yaml"
    path.write_text(template("sam", "my-table", "my-fn"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import cfnlint.runner as r; r.main()", path],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_terraform_accepts_its_template(tmp_path, require):
    """It is formatted and parsed; validated where its AWS provider can be had."""
    terraform = shutil.which("terraform")
    require("terraform", terraform)
    (tmp_path / "main.tf").write_text(template("terraform", "my-table", "my-fn"))

    def run(*arguments):
        return subprocess.run(
            [terraform, *arguments], cwd=tmp_path, capture_output=True, check=False, timeout=60
        )

    formatted = run("fmt", "-check", "-diff", "main.tf")
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    if run("init", "-backend=false", "-input=false").returncode != 0:
        pytest.skip("formatted and parsed, not validated: the AWS provider cannot be had here")
    validated = run("validate")
    assert validated.returncode == 0, validated.stdout + validated.stderr


def test_the_cdk_template_is_python():
    """It compiles; whether CDK takes it, only CDK can tell."""
    ast.parse(template("cdk", "my-table", "my-fn"))
