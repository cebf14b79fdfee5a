"""Templates of a table, the least rights on it, and the setting of the function that uses it."""

from __future__ import annotations

ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
"""All that the tier does to its table."""

_SAM = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Description: A function with the DynamoDB tier of ORC
Resources:
  OrcCache:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      TableName: %(table)s
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - AttributeName: pk
          AttributeType: S
      KeySchema:
        - AttributeName: pk
          KeyType: HASH
      TimeToLiveSpecification:
        AttributeName: x
        Enabled: true
  Function:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: %(function)s
      Runtime: python3.13
      Handler: app.handler
      CodeUri: .
      Environment:
        Variables:
          ORC_TIERS: !Sub "dynamodb://${OrcCache}"
      Policies:
        - Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Action:
%(yaml_actions)s
              Resource: !GetAtt OrcCache.Arn
"""

_TERRAFORM = """\
# The role of the function %(function)s; and in the function itself:
#   environment { variables = { ORC_TIERS = local.orc_tiers } }
variable "function_role" {
  description = "The name of the role of the function %(function)s"
  type        = string
}

resource "aws_dynamodb_table" "orc_cache" {
  name         = "%(table)s"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"

  attribute {
    name = "pk"
    type = "S"
  }

  ttl {
    attribute_name = "x"
    enabled        = true
  }
}

data "aws_iam_policy_document" "orc_cache" {
  statement {
    actions = [
%(hcl_actions)s
    ]
    resources = [aws_dynamodb_table.orc_cache.arn]
  }
}

resource "aws_iam_role_policy" "orc_cache" {
  name   = "orc-cache"
  role   = var.function_role
  policy = data.aws_iam_policy_document.orc_cache.json
}

locals {
  orc_tiers = "dynamodb://${aws_dynamodb_table.orc_cache.name}"
}

output "orc_tiers" {
  description = "The variable ORC_TIERS of the function %(function)s"
  value       = local.orc_tiers
}
"""

_CDK = '''\
"""A function with the DynamoDB tier of ORC."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct


class OrcCacheStack(Stack):
    def __init__(self, scope: Construct, id: str, **options) -> None:
        super().__init__(scope, id, **options)
        table = dynamodb.Table(
            self,
            "OrcCache",
            table_name="%(table)s",
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            time_to_live_attribute="x",
            removal_policy=RemovalPolicy.DESTROY,
        )
        function = lambda_.Function(
            self,
            "Function",
            function_name="%(function)s",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="app.handler",
            code=lambda_.Code.from_asset("."),
            environment={"ORC_TIERS": f"dynamodb://{table.table_name}"},
        )
        function.add_to_role_policy(
            iam.PolicyStatement(
                actions=[
%(python_actions)s
                ],
                resources=[table.table_arn],
            )
        )
'''

_TEMPLATES = {"sam": _SAM, "terraform": _TERRAFORM, "cdk": _CDK}


def template(form: str, table: str, function: str) -> str:
    """Return the text of a template: ``sam``, ``terraform`` or ``cdk`` (in Python)."""
    return _TEMPLATES[form] % {
        "table": table,
        "function": function,
        "yaml_actions": "\n".join(f"                - {each}" for each in ACTIONS),
        "hcl_actions": "\n".join(f'      "{each}",' for each in ACTIONS),
        "python_actions": "\n".join(f'                    "{each}",' for each in ACTIONS),
    }
