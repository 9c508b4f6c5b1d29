"""Proof that a wallet is its owner's, single-use nonces, and changes of wallet."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_address_book")]

    operations = [
        migrations.CreateModel(
            name="WalletChange",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("old_address", models.CharField(max_length=42, verbose_name="until then")),
                ("address", models.CharField(max_length=42, verbose_name="new address")),
                (
                    "method",
                    models.CharField(
                        choices=[
                            ("key", "Signed by its key"),
                            ("contract", "Confirmed by its contract (EIP-1271)"),
                        ],
                        max_length=8,
                        verbose_name="proved",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("applied", "In effect"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="pending",
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="asked for")),
                ("effective_at", models.DateTimeField(verbose_name="takes effect")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                ("reason", models.CharField(blank=True, max_length=20, verbose_name="reason")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="wallet_changes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "wallet change",
                "verbose_name_plural": "wallet changes",
                "ordering": ["-created_at", "-id"],
                "permissions": [("cancel_walletchange", "Can cancel a person's wallet change")],
            },
        ),
        migrations.CreateModel(
            name="WalletProof",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("verify", "Prove the wallet"),
                            ("change", "Change to another wallet"),
                        ],
                        max_length=6,
                        verbose_name="purpose",
                    ),
                ),
                ("address", models.CharField(max_length=42, verbose_name="address")),
                ("nonce", models.CharField(max_length=32, unique=True, verbose_name="nonce")),
                ("message", models.TextField(max_length=2000, verbose_name="message")),
                ("created_at", models.DateTimeField(verbose_name="given out")),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("used_at", models.DateTimeField(blank=True, null=True, verbose_name="used")),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "Not answered"),
                            ("proved", "Proved"),
                            ("refused", "Refused"),
                        ],
                        default="",
                        max_length=8,
                        verbose_name="outcome",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=20, verbose_name="reason")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="wallet_proofs",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "wallet proof",
                "verbose_name_plural": "wallet proofs",
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="wallet",
            name="method",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "Not proved"),
                    ("key", "Signed by its key"),
                    ("contract", "Confirmed by its contract (EIP-1271)"),
                ],
                default="",
                max_length=8,
                verbose_name="proved",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("method", ""), ("verified_at", None)),
                    models.Q(("method__in", ["key", "contract"]), ("verified_at__isnull", False)),
                    _connector="OR",
                ),
                name="accounts_wallet_verified_by_something",
            ),
        ),
        migrations.AddIndex(
            model_name="walletchange",
            index=models.Index(
                condition=models.Q(("state", "pending")),
                fields=["effective_at"],
                name="accounts_change_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletchange",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "pending")),
                fields=("user",),
                name="accounts_one_change_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletchange",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "pending")),
                fields=("address",),
                name="accounts_change_of_one_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("address__regex", "^0x[0-9a-fA-F]{40}$"),
                    models.Q(("address", models.F("old_address")), _negated=True),
                ),
                name="accounts_change_to_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("effective_at__gt", models.F("created_at"))),
                name="accounts_change_cools_down",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletchange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("state", "pending")),
                    models.Q(("ended_at__isnull", False), ("state__in", ["applied", "cancelled"])),
                    _connector="OR",
                ),
                name="accounts_change_end_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletchange",
            constraint=models.CheckConstraint(
                condition=models.Q(("method__in", ["key", "contract"])),
                name="accounts_change_was_proved",
            ),
        ),
        migrations.AddIndex(
            model_name="walletproof",
            index=models.Index(fields=["user", "-created_at"], name="accounts_proof_of_user"),
        ),
        migrations.AddIndex(
            model_name="walletproof",
            index=models.Index(fields=["expires_at"], name="accounts_proof_expires"),
        ),
        migrations.AddConstraint(
            model_name="walletproof",
            constraint=models.CheckConstraint(
                condition=models.Q(("address__regex", "^0x[0-9a-fA-F]{40}$")),
                name="accounts_proof_is_evm_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletproof",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome", ""), ("used_at", None)),
                    models.Q(("outcome__in", ["proved", "refused"]), ("used_at__isnull", False)),
                    _connector="OR",
                ),
                name="accounts_proof_used_has_outcome",
            ),
        ),
        migrations.AddConstraint(
            model_name="walletproof",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                name="accounts_proof_expires_later",
            ),
        ),
    ]
