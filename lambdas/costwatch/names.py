"""Names that more than one ring uses, each typed once: events, metrics, environment, AWS resources.

Tag keys are configurable and therefore live in the policy; their defaults are here.
"""

from typing import Final

PROJECT: Final = "costwatch"
STACK: Final = "Costwatch"

# --- tags: defaults of `tags:` in costwatch.yaml --------------------------------------------------
TAG_MAX_RUNTIME: Final = "costwatch:max-runtime"
TAG_DEADLINE: Final = "costwatch:deadline"
TAG_EXEMPT: Final = "costwatch:exempt"
TAG_HEARTBEAT: Final = "costwatch:heartbeat"
TAG_RUN: Final = "costwatch:run"
TAG_APPROVAL: Final = "costwatch:approval"
TAG_NEVER: Final = "costwatch:never"  # IAM denies on it by this name, so it is not configurable

# Tags AWS services put on what they own.
TAG_PIPELINE_EXECUTION: Final = "sagemaker:pipeline-execution-arn"
TAG_ASG: Final = "aws:autoscaling:groupName"
TAG_EC2_FLEET: Final = "aws:ec2:fleet-id"
TAG_SPOT_FLEET: Final = "aws:ec2spot:fleet-request-id"
TAG_KUBERNETES_PREFIX: Final = "kubernetes.io/cluster/"
TAGS_OF_CLUSTERS: Final = (
    "eks:cluster-name",
    "aws:eks:cluster-name",
    "aws:batch:compute-environment",
    "AWSBatchServiceTag",
    "aws:elasticmapreduce:job-flow-id",
    "parallelcluster:cluster-name",
    "sagemaker:cluster-name",
)

# --- events ---------------------------------------------------------------------------------------
SOURCE_EC2: Final = "aws.ec2"
SOURCE_SAGEMAKER: Final = "aws.sagemaker"
SOURCE_SCHEDULE: Final = "aws.events"
SOURCE_COSTWATCH: Final = "costwatch"
SOURCE_CLI: Final = "costwatch.cli"
SOURCE_SLACK: Final = "costwatch.slack"  # what the door puts on the bus; whoever reads it verifies the signature anew
SOURCE_CLIENT: Final = "costwatch.client"  # the training client, and the sweep's canary

DETAIL_SCHEDULED: Final = "Scheduled Event"
DETAIL_EC2_STATE: Final = "EC2 Instance State-change Notification"
DETAIL_TRAINING_STATE: Final = "SageMaker Training Job State Change"
DETAIL_PACKAGE_STATE: Final = "SageMaker Model Package State Change"
DETAIL_PROCESSING_STATE: Final = "SageMaker Processing Job State Change"
DETAIL_TUNING_STATE: Final = "SageMaker HyperParameter Tuning Job State Change"
DETAIL_SWEEP_REQUESTED: Final = "Sweep Requested"
DETAIL_STOP_REQUESTED: Final = "Stop Requested"
DETAIL_RESTORE_REQUESTED: Final = "Restore Requested"
DETAIL_PRICES_REQUESTED: Final = "Price Refresh Requested"
DETAIL_GATE_REQUESTED: Final = "Gate Requested"
DETAIL_ADVICE_REQUESTED: Final = "Retraining Advice Requested"
DETAIL_DECISION_REQUESTED: Final = "Promotion Decision Requested"
DETAIL_SLACK_INTERACTION: Final = "Slack Interaction"
DETAIL_RUN_STOPPED: Final = "Run Stopped By Costwatch"
DETAIL_RES_VERDICT: Final = "Costwatch RES Verdict"
DETAIL_HEARTBEAT: Final = "Run Heartbeat"
DETAIL_STARTED: Final = "Run Started"
DETAIL_DONE: Final = "Run Done"
DETAIL_CHECK: Final = "Heartbeat Check"  # tries the way and means nothing
DETAIL_CANARY: Final = "Canary Beat"
CLIENT_DETAIL_TYPES: Final = (DETAIL_HEARTBEAT, DETAIL_STARTED, DETAIL_DONE, DETAIL_CHECK)  # all that a trainer sends

HEARTBEAT_BUS: Final = "costwatch"  # what the training client sends to, in the home region

# --- metrics (CloudWatch embedded metric format) ----------------------------------------------------
METRIC_NAMESPACE: Final = "Costwatch"
METRIC_DIMENSION_SERVICE: Final = "service"
METRIC_SERVICE: Final = PROJECT  # the one value of the dimension: each further one is a metric more, and billed as one
SERVICE_DEADMAN: Final = "costwatch-deadman"
SERVICE_HINTS: Final = "costwatch-hints"
SERVICE_HEARTBEATS: Final = "costwatch-heartbeats"
SERVICE_PRICES: Final = "costwatch-prices"
SERVICE_DOOR: Final = "costwatch-door"
SERVICE_CLICKS: Final = "costwatch-clicks"
SERVICE_GATE: Final = "costwatch-gate"
SERVICE_RETRAIN: Final = "costwatch-retrain"
SERVICE_RES: Final = "costwatch-res"
METRIC_BURN: Final = "BurnUsdPerHour"  # of all runs that a sweep of the dead-man's switch judged; once a sweep
METRIC_ATTENTION: Final = "AttentionNeeded"  # what a person has to look at; the log line says what it is made of
METRIC_OLDEST_CLAIM: Final = "OldestClaimMinutes"  # since when something is being done; once a sweep, RES's too
METRIC_PRICE_BOOK_AGE: Final = "PriceBookAgeHours"  # of its oldest part
DEFAULT_BURN_LIMIT_USD_PER_HOUR: Final = 400
UNSETTLED_AFTER_MINUTES: Final = 120  # what was begun and has no end for longer raises an alarm

# --- environment of the functions (names and ARNs only; Lambda allows 4 KB in all) ------------------
ENV_LEDGER_TABLE: Final = "COSTWATCH_LEDGER_TABLE"
ENV_ALERTS_TOPIC_ARN: Final = "COSTWATCH_ALERTS_TOPIC_ARN"
ENV_REFUSED_QUEUE_URL: Final = "COSTWATCH_REFUSED_QUEUE_URL"
ENV_HEARTBEAT_BUS: Final = "COSTWATCH_HEARTBEAT_BUS"
ENV_GATE_QUEUE_URL: Final = "COSTWATCH_GATE_QUEUE_URL"
ENV_GATE_DEAD_LETTERS_ARN: Final = "COSTWATCH_GATE_DEAD_LETTERS_ARN"
ENV_SLACK_TOKEN_PARAMETER: Final = "COSTWATCH_SLACK_TOKEN_PARAMETER"
ENV_SLACK_SIGNING_SECRET_PARAMETER: Final = "COSTWATCH_SLACK_SIGNING_SECRET_PARAMETER"
ENV_SLACK_APP_ID: Final = "COSTWATCH_SLACK_APP_ID"
ENV_SLACK_WORKSPACE: Final = "COSTWATCH_SLACK_WORKSPACE"
ENV_DEADMAN_FUNCTION: Final = "COSTWATCH_DEADMAN_FUNCTION"  # the one that may stop anything
ENV_RES_FUNCTION: Final = "COSTWATCH_RES_FUNCTION"  # the one that may write the model registry
ENV_SLACK_API_URL: Final = "COSTWATCH_SLACK_API_URL"  # empty: Slack's own; the demo sets its endpoint

# --- the door ---------------------------------------------------------------------------------------
SLACK_PATH: Final = "/slack"  # where the HTTP API takes Slack's clicks, by POST

REFUSED: Final = "refused"  # what people call the queue of events that no function could use

# --- the asset and the deployment --------------------------------------------------------------------
POLICY_FILE: Final = "policy.json"  # at the root of the asset
DEPLOYMENT_PARAMETER: Final = "/costwatch/deployment"  # what the command line reads to find the stack
DEFAULT_SLACK_TOKEN_PARAMETER: Final = "/costwatch/slack-token"
DEFAULT_SLACK_SIGNING_SECRET_PARAMETER: Final = "/costwatch/slack-signing-secret"

# --- ledger table ------------------------------------------------------------------------------------
TABLE_PARTITION_KEY: Final = "pk"
TABLE_SORT_KEY: Final = "sk"
TABLE_TTL_ATTRIBUTE: Final = "expires_at"
INDEX_BY_DAY: Final = "by-day"
INDEX_BY_DAY_PARTITION_KEY: Final = "day"
INDEX_BY_DAY_SORT_KEY: Final = "at"
