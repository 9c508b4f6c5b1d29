from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("compliance", "0013_age_of_nonces")]

    operations = [
        migrations.AlterModelOptions(
            name="reservesnapshot",
            options={
                "ordering": ["-requested_at", "-id"],
                "permissions": [
                    (
                        "sign_reservesnapshot",
                        "Can propose and approve the sign-off of a reserve snapshot",
                    )
                ],
                "verbose_name": "proof of reserve",
                "verbose_name_plural": "proofs of reserve",
            },
        ),
    ]
