"""The written list: all that any role of the stack may do while nothing is in enforce."""

ALLOWED_IN_OBSERVE = frozenset(
    {
        # look
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeScalingActivities",
        "ec2:DescribeInstanceAttribute",
        "ec2:DescribeInstances",
        "ec2:DescribeSpotInstanceRequests",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:ListTags",
        "sagemaker:ListTrainingJobs",
        "sns:ListSubscriptionsByTopic",
        "ssm:GetParameter",
        # remember, in the ledger
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        # tell
        "events:PutEvents",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "sns:Publish",
        "sqs:SendMessage",
    }
)
DESTRUCTIVE = frozenset(
    {
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        "autoscaling:UpdateAutoScalingGroup",
        "ec2:CancelSpotInstanceRequests",
        "ec2:StopInstances",
        "ec2:TerminateInstances",
        "sagemaker:StopTrainingJob",
    }
)
