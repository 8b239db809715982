# SPDX-License-Identifier: PostgreSQL
"""The tables of models.py, as makemigrations writes them."""

from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('assets', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('arguments', models.JSONField(default=dict)),
                ('result', models.JSONField(null=True)),
                ('asked_at', models.DateTimeField(auto_now_add=True)),
                ('asked', models.PositiveIntegerField(default=1)),
                ('done_at', models.DateTimeField(null=True)),
                ('times', models.PositiveIntegerField(default=0)),
                ('redelivered', models.BooleanField(default=False)),
                ('retries', models.PositiveIntegerField(default=0)),
                ('worker', models.CharField(blank=True, max_length=80)),
            ],
        ),
        migrations.CreateModel(
            name='WorkOrder',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('inspection', 'Inspection'), ('repair', 'Repair')], max_length=12)),
                ('state', models.CharField(choices=[('planned', 'Planned'), ('assigned', 'Assigned'), ('started', 'Started'), ('done', 'Done'), ('closed', 'Closed')], default='planned', max_length=10)),
                ('due', models.DateField()),
                ('started', models.DateField(null=True)),
                ('done', models.DateField(null=True)),
                ('cost', models.DecimalField(decimal_places=2, default=0, max_digits=9)),
                ('part', models.CharField(blank=True, max_length=40)),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='orders', to='assets.asset')),
                ('assigned', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='orders', to='assets.person')),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='orders', to='assets.customer')),
            ],
            options={
                'ordering': ['due', 'id'],
            },
        ),
        migrations.CreateModel(
            name='Report',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('day', models.DateField()),
                ('figures', models.JSONField()),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reports', to='assets.customer')),
            ],
            options={
                'ordering': ['-day', 'kind'],
            },
        ),
        migrations.CreateModel(
            name='Notification',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('day', models.DateField()),
                ('text', models.CharField(max_length=200)),
                ('read', models.DateField(null=True)),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to='assets.customer')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notifications', to='assets.person')),
            ],
            options={
                'ordering': ['-day', 'kind'],
            },
        ),
        migrations.CreateModel(
            name='Mail',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=40)),
                ('day', models.DateField()),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mails', to='assets.customer')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='mails', to='assets.person')),
            ],
        ),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(fields=['done_at'], name='job_by_done'),
        ),
        migrations.AddIndex(
            model_name='workorder',
            index=models.Index(fields=['customer', 'state', 'due'], name='order_by_state'),
        ),
        migrations.AddConstraint(
            model_name='workorder',
            constraint=models.UniqueConstraint(fields=('asset', 'kind', 'due'), name='order_once'),
        ),
        migrations.AddConstraint(
            model_name='report',
            constraint=models.UniqueConstraint(fields=('customer', 'kind', 'day'), name='report_once'),
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('person', 'kind', 'day'), name='notification_once'),
        ),
        migrations.AddConstraint(
            model_name='mail',
            constraint=models.UniqueConstraint(fields=('person', 'kind', 'day'), name='mail_once'),
        ),
    ]
