"""The channels that this release has. To add a channel: write its module beside this one, and name it here."""

from services.notify.channels import webhook
from services.notify.channels.base import AnyChannel

CHANNELS: tuple[AnyChannel, ...] = (webhook.CHANNEL,)
