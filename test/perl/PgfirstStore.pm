# SPDX-License-Identifier: PostgreSQL
#
# PgfirstStore: what tests of the store share: a server on which the store can be stopped at a point of
# its code (test/modules/pgfirst_store_test/pgfirst_store_watch.c), a session that stays, and a random
# workload that knows what must be there after it.
#
#   my $node = watched_node('crash', conf => ...);
#   my $load = PgfirstStore::Load->new($node, seed => 1);
#   $load->open; $load->step for 1 .. 100; $load->close;
#   is($load->wrong, '', 'everything is there');
#
# The workload. A step sends commands on keys that no other command of the step touches, pipelined
# through two clients of the Redis door, and a transaction through SQL at the same time. Every so often
# the store is tidied meanwhile. What is
# acknowledged goes into a model of what each key holds. A step may be cut off by a crash; then each
# of its commands that were not acknowledged must have happened as a whole or not at all.
package PgfirstStore;

use strict;
use warnings;

use Exporter 'import';
use PgfirstTest;
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(watched_node store_arm store_points store_check);

# As pgfirst_node, with the extension of the contract test and WAL that replay compares with pages.
sub watched_node
{
	my ($name, %options) = @_;
	my $node = pgfirst_node($name, %options,
		conf => <<CONF . ($options{conf} // ''));
shared_preload_libraries = 'pgfirst, pgfirst_store_watch'
wal_consistency_checking = 'all'
autovacuum = off
CONF
	$node->safe_psql('postgres', 'CREATE EXTENSION pgfirst_store_test') if $options{start} // 1;
	return $node;
}

# store_arm(NODE, ACTION, point => NAME, passes => N, times => N, who => TYPE)
sub store_arm
{
	my ($node, $action, %how) = @_;

	$node->safe_psql('postgres', sprintf("SELECT store_test.arm('%s', '%s', %d, %d, '%s')", $action,
			$how{point} // '', $how{passes} // 0, $how{times} // 1, $how{who} // ''));
}

# How often the server has come to each point since it was started.
sub store_points
{
	my ($node) = @_;

	return { map { split /\|/ } split /\n/,
		$node->safe_psql('postgres', 'SELECT point, passed FROM store_test.passed()') };
}

# What kv.check() complains of; '' if of nothing.
sub store_check
{
	my ($node) = @_;

	return '' if $node->safe_psql('postgres', "SELECT to_regproc('kv.check')") eq '';
	return $node->safe_psql('postgres', 'SELECT * FROM kv.check()');
}

# ---- a session of psql that stays ----------------------------------------------------------------

package PgfirstStore::Session;

use strict;
use warnings;

use IPC::Run;

sub new
{
	my ($class, $node) = @_;
	my $self = bless { in => '', out => '', err => '', count => 0 }, $class;

	$self->{timer} = IPC::Run::timeout(120);
	$self->{harness} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, $self->{timer});
	return $self;
}

# Sends statements and does not wait for what they say.
sub send
{
	my ($self, $statements) = @_;

	$self->{out} = $self->{err} = '';
	$self->{timer}->start(120);
	$self->{mark} = 'done ' . ++$self->{count};
	$self->{in} .= "$statements;\n\\echo $self->{mark}\n";
	$self->{harness}->pump_nb;
}

# What they said, errors last; dies when the connection is lost.
sub answer
{
	my ($self) = @_;

	$self->{harness}->pump until $self->{out} =~ /^\Q$self->{mark}\E$/m;
	(my $out = $self->{out}) =~ s/^\Q$self->{mark}\E\n//m;
	$self->{harness}->pump_nb;
	chomp $out;
	die "the connection is lost\n" if $self->{err} =~ /connection (to server )?was lost|server closed/;
	return $out . $self->{err};
}

sub ask { my ($self, $statements) = @_; $self->send($statements); return $self->answer; }

sub end
{
	my ($self) = @_;

	$self->{in} .= "\\q\n";
	eval { $self->{harness}->finish; };
}

# ---- the workload -------------------------------------------------------------------------------

package PgfirstStore::Load;

use strict;
use warnings;

use PgfirstTest;
use Time::HiRes qw(sleep);

=pod

PgfirstStore::Load->new(NODE, option => value, ...)

  seed    decides everything that is sent (1)
  keys    how many keys there are (300)
  large   bytes of the largest values (120000)
  others  keys that are not of the workload (0)
  errors  commands may fail, and are told so (0); then a step is like one that was cut off, and the
          errors stand in {failed}, those of SQL in {refused}

=cut

sub new
{
	my ($class, $node, %options) = @_;

	return bless {
		seed => 1, keys => 300, large => 120_000, others => 0, errors => 0, failed => [], refused => [], %options,
		node => $node, steps => 0, version => 0, open => [],
		model => {},      # what is acknowledged: key => [value, whether it expires]
		pending => [] },  # of the step that was cut off
	  $class;
}

# Another one in the same state.
sub copy
{
	my ($self) = @_;

	return bless { %$self, model => { %{ $self->{model} } }, pending => [], open => [] }, ref $self;
}

sub open
{
	my ($self) = @_;

	$self->{clients} = [ map { redis($self->{node}) } 1 .. 2 ];
	$self->{session} = PgfirstStore::Session->new($self->{node});
}

sub close
{
	my ($self) = @_;

	$_->close for @{ delete $self->{clients} // [] };
	(delete $self->{session})->end if $self->{session};
}

# Numbers of our own: what else a test draws must not change what is sent.
sub random
{
	my ($self, $below) = @_;

	$self->{seed} = ($self->{seed} * 1103515245 + 12345) % 2147483648;
	return int(($self->{seed} >> 8) / 8388608 * $below);
}

sub key
{
	my ($self) = @_;

	while (1)
	{
		my $key = 'key:' . $self->random($self->{keys});
		return $key if !$self->{taken}{$key}++;
	}
}

# A value that tells whose it is, and of one of all sizes at which the store does something else.
sub value
{
	my ($self, $key) = @_;
	my $kind = $self->random(100);
	my $length =
	    $kind < 50 ? 20 + $self->random(150)
	  : $kind < 75 ? 300 + $self->random(1600)
	  : $kind < 90 ? 2000 + $self->random(4000)
	  : $kind < 98 ? 6000 + $self->random(20_000)
	  :              30_000 + $self->random($self->{large} - 30_000);
	my $name = "$key/" . ++$self->{version} . ':';

	return substr($name x ($length / length($name) + 1), 0, $length);
}

# A command and what its keys hold after it.
sub command
{
	my ($self) = @_;
	my $shrink = $self->{steps} % 50 >= 30;
	my $kind = $self->random(100);
	my $model = $self->{model};

	if ($shrink ? $kind < 70 : $kind < 8)
	{
		my @keys = map { $self->key } 1 .. 1 + $self->random($shrink ? 16 : 2);
		return { words => [ 'DEL', @keys ], after => { map { ($_, undef) } @keys } };
	}
	if ($kind < 75)
	{
		my $key = $self->key;
		my $value = $self->value($key);
		my $expires = $self->random(10) == 0;
		return { words => [ 'SET', $key, $value, $expires ? ('EX', 100_000) : () ],
			after => { $key => [ $value, $expires ] } };
	}
	if ($kind < 87)
	{
		my %values = map { ($_, $self->value($_)) } map { $self->key } 1 .. 2 + $self->random(6);
		return { words => [ 'MSET', map { ($_, $values{$_}) } sort keys %values ],
			after => { map { ($_, [ $values{$_}, 0 ]) } keys %values } };
	}
	if ($kind < 89)
	{
		# Too short-lived to be found by whoever looks after this.
		my $key = $self->key;
		return { words => [ 'SET', $key, $self->value($key), 'PX', 1 ], after => { $key => undef } };
	}
	my $key = $self->key;
	my $expires = $self->random(2);
	return { words => $expires ? [ 'EXPIRE', $key, 100_000 ] : [ 'PERSIST', $key ],
		after => { $key => $model->{$key} && [ $model->{$key}[0], $expires ] } };
}

sub transaction
{
	my ($self) = @_;
	my $sql = 'BEGIN';
	my %after;
	my $rollback = $self->random(6) == 0;

	for (1 .. 1 + $self->random(12))
	{
		my $key = $self->key;
		my $value = $self->value($key);
		my $kind = $self->random(10);
		if ($kind < 2)
		{
			$sql .= "; SELECT kv.del('$key')";
			$after{$key} = undef;
		}
		elsif ($kind < 4)
		{
			$sql .= "; SAVEPOINT s; SELECT kv.set('$key', '$value'::text); ROLLBACK TO s";
		}
		else
		{
			$sql .= "; SELECT kv.set('$key', '$value'::text)";
			$after{$key} = [ $value, 0 ];
		}
	}
	$sql .= $rollback ? '; ROLLBACK' : '; COMMIT';
	return { sql => $sql, after => $rollback ? {} : \%after };
}

sub acknowledged
{
	my ($self, $command) = @_;

	$self->{model}{$_} = $command->{after}{$_} for keys %{ $command->{after} };
	@{ $self->{pending} } = grep { $_ != $command } @{ $self->{pending} };
}

# False when the server went away meanwhile.
sub step
{
	my ($self) = @_;
	my @batches;

	$self->{taken} = {};
	push @batches, [ map { $self->command } 1 .. $self->random(5) ] for 1 .. 2;
	my $transaction = $self->random(3) == 0 ? $self->transaction : undef;
	my $checkpoint = $self->random(60) == 0;
	$self->{steps}++;
	$self->{pending} = [ map { @$_ } @batches ];
	push @{ $self->{pending} }, $transaction if $transaction;

	for my $number (0 .. 1)
	{
		$self->{clients}[$number]->raw(join '',
			map { PgfirstTest::Redis::encode(@{ $_->{words} }) } @{ $batches[$number] });
	}
	my $good = 1;
	if ($transaction)
	{
		my $answer = eval { $self->{session}->ask($transaction->{sql}) };
		if (defined $answer && $answer =~ /ERROR: +(.*)/)
		{
			die "$transaction->{sql}: $answer\n" if !$self->{errors};
			# Then nothing at all has happened.
			push @{ $self->{refused} }, $1;
			$transaction->{after} = {};
		}
		defined $answer ? $self->acknowledged($transaction) : ($good = 0);
	}
	my $tidy = $good && $self->{steps} % 10 == 0;
	# Where much has gone, VACUUM, which makes the file shorter.
	eval {
		$self->{session}->send($self->{steps} % 50 == 0 ? 'VACUUM kv.database_0'
			: 'SELECT store_test.tidy(store) FROM kv.database WHERE number = 0');
	  }
	  if $tidy;
	for my $number (0 .. 1)
	{
		for my $command (@{ $batches[$number] })
		{
			my ($what, $reply) = $self->{clients}[$number]->outcome(30);
			die "no answer to $command->{words}[0] within 30 s\n" if $what eq 'silent';
			$good = 0, last if $what eq 'closed';
			push(@{ $self->{failed} }, $reply), next if $self->{errors} && $reply =~ /^-/;
			# A server that ends may still say so.
			$good = 0, last if $reply =~ /^-/;
			$self->acknowledged($command);
		}
	}
	if ($tidy && $good)
	{
		my $answer = eval { $self->{session}->answer };
		die "tidy: $answer\n" if defined $answer && $answer =~ /ERROR/ && !$self->{errors};
		push @{ $self->{refused} }, $1 if defined $answer && $answer =~ /ERROR: +(.*)/;
		$good = defined $answer;
	}
	$good = 0 if $checkpoint && $good && !defined eval { $self->{session}->ask('CHECKPOINT') };
	return $good;
}

# What all keys hold, as the door tells it, in the shape of the model.
sub read
{
	my ($self, $redis) = @_;
	my @keys = map { "key:$_" } 0 .. $self->{keys} - 1;
	my %found;

	for (my $from = 0; $from < @keys; $from += 50)
	{
		my @some = @keys[ $from .. ($from + 49 < $#keys ? $from + 49 : $#keys) ];
		my $values = $redis->call('MGET', @some);
		die "MGET: $values\n" if !ref $values;
		$redis->send('PTTL', $_) for @some;
		for my $i (0 .. $#some)
		{
			my $left = $redis->reply;
			$found{ $some[$i] } = defined $values->[$i] ? [ $values->[$i], $left > 0 ? 1 : 0 ] : undef;
		}
	}
	return \%found;
}

sub same
{
	my ($one, $other) = @_;

	return !defined $one && !defined $other if !defined $one || !defined $other;
	return $one->[0] eq $other->[0] && $one->[1] == $other->[1];
}

sub told
{
	my ($state) = @_;

	return 'nothing' if !defined $state;
	return substr($state->[0], 0, 24) . '… (' . length($state->[0]) . ($state->[1] ? ', expires)' : ')');
}

# What is not as it must be, one line for each; '' if nothing. The model becomes what was found.
sub wrong
{
	my ($self) = @_;
	my $redis = redis($self->{node});
	my $found;
	my @wrong;

	# What lives for a millisecond may still be there in the first.
	sleep 0.01;
	$found = eval { $self->read($redis) } or return "$@";
	for my $command (@{ $self->{pending} })
	{
		my @keys = sort keys %{ $command->{after} };
		my @new = grep { same($found->{$_}, $command->{after}{$_}) } @keys;
		if (@new < @keys && grep { !same($found->{$_}, $self->{model}{$_}) } @keys)
		{
			push @wrong, 'half of ' . ($command->{sql} ? 'a transaction' : $command->{words}[0]) . ': '
			  . join(', ', map { "$_ was " . told($self->{model}{$_}) . ', to be '
				  . told($command->{after}{$_}) . ', is ' . told($found->{$_}) } @keys);
		}
		$self->{model}{$_} = $found->{$_} for @keys;
	}
	$self->{pending} = [];
	for my $key (sort keys %$found)
	{
		push @wrong, "$key was " . told($self->{model}{$key}) . ', is ' . told($found->{$key})
		  if !same($found->{$key}, $self->{model}{$key});
	}
	my $count = $self->{node}->safe_psql('postgres', 'SELECT count(*) FROM kv.keys');
	my $expected = $self->{others} + grep { defined } values %$found;
	push @wrong, "$count keys instead of $expected in a walk" if $count != $expected;
	my $check = PgfirstStore::store_check($self->{node});
	push @wrong, "kv.check(): $check" if $check ne '';
	return join "\n", @wrong;
}

1;
