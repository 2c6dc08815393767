-- Alerts, open and resolved, and what webhooks have not been told of yet. Times of alerts are seconds since 1970-01-01 UTC.

create table alerts (
  number bigint generated always as identity primary key,
  -- The same for as long as the condition is about the same thing.
  key text not null,
  kind text not null,
  -- As it was told last; so is the text.
  severity text not null check (severity in ('info', 'warning', 'critical')),
  text text not null,
  underlying_id bigint,
  account_id numeric(78,0),
  round bigint,
  raised_at bigint not null,
  told_at bigint not null,
  -- How often it was told: raised, raised again as more severe, reminded of.
  times integer not null default 1,
  resolved_at bigint
);
-- One open alert of a condition, however many processes see it.
create unique index alerts_open on alerts (key) where resolved_at is null;
create index alerts_resolved on alerts (resolved_at) where resolved_at is not null;

-- What is to be sent. A delivered row is deleted; one that nobody took is kept for a while as `dead`.
create table alert_deliveries (
  place bigint generated always as identity primary key,
  -- Digest of the webhook's URL, which is a secret itself.
  webhook text not null,
  -- The same for every attempt.
  idempotency_key text not null unique,
  -- The bytes that are signed and sent.
  body text not null,
  state text not null default 'waiting' check (state in ('waiting', 'dead')),
  tries integer not null default 0,
  not_before timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  -- Why the last attempt failed: a code, never an address.
  cause text,
  check ((state = 'dead') = (ended_at is not null))
);
create index alert_deliveries_waiting on alert_deliveries (webhook, place) where state = 'waiting';

-- Who sends to a webhook now: one process at a time, so that the order is kept.
create table alert_senders (
  webhook text primary key,
  token text not null,
  lease_until timestamptz not null
);
