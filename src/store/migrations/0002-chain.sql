-- What the chain says, as a cache that can be rolled back: every row carries the block that it comes from.

-- Of which chain and contracts this store is, and how often it changed.
create table chain_index (
  one boolean primary key default true check (one),
  chain_id bigint not null,
  -- Digest of the contracts' addresses.
  deployment text not null,
  -- First block that was looked at.
  start_block bigint not null,
  -- Grows with every write; of rollbacks there are so many.
  revision bigint not null default 0,
  rollbacks bigint not null default 0
);

-- Blocks that were looked at: all of the newest, and ends of ranges. The newest one is where indexing goes on.
create table blocks (
  number bigint primary key,
  hash text not null,
  parent_hash text not null,
  timestamp bigint not null
);

-- States of accounts. A row holds from its block on, until the block that replaced it.
create table account_states (
  account_id numeric(78,0) not null,
  block bigint not null,
  replaced_at bigint,
  owner text not null,
  underlying_id bigint not null,
  commitment numeric(78,0) not null,
  scale numeric(78,0) not null,
  -- 1e-6 units, signed.
  cash numeric(78,0) not null,
  -- Value after haircuts at last known prices, 1e-6 units.
  collateral numeric(78,0) not null,
  nonce numeric(78,0) not null,
  in_auction boolean not null,
  -- When it was last charged a fee for an auction, seconds since 1970-01-01 UTC; 0 for never.
  fee_charged_at bigint not null,
  primary key (account_id, block)
);
create index account_states_now on account_states (account_id) where replaced_at is null;
create index account_states_block on account_states (block);

-- What opens commitments. Salts here are public: trades publish them.
create table openings (
  block bigint not null,
  log_index integer not null,
  account_id numeric(78,0) not null,
  underlying_id bigint not null,
  nonce numeric(78,0) not null,
  commitment numeric(78,0) not null,
  source text not null check (source in ('trade', 'settlement')),
  -- known: checked against the commitment. mismatch: what was published is of another commitment. withheld: a custodian has it.
  -- underivable: a settlement of legs that are not known.
  status text not null check (status in ('known', 'mismatch', 'withheld', 'underivable')),
  reason text,
  custodian text,
  -- Packed legs as decimal strings.
  legs jsonb,
  salt numeric(78,0),
  primary key (block, log_index),
  check ((status = 'known') = (legs is not null and salt is not null))
);
create index openings_commitment on openings (commitment);
create index openings_account on openings (account_id, block);

create table rounds (
  underlying_id bigint not null,
  number bigint not null,
  block bigint not null,
  timestamp bigint not null,
  -- 1e-6 USD.
  spot numeric(78,0) not null,
  -- Index, 2^-16.
  volatility bigint not null,
  underlying_word numeric(78,0) not null,
  -- Eight words as decimal strings.
  expiry_words jsonb not null,
  wound_down boolean not null default false,
  primary key (underlying_id, number)
);
create index rounds_block on rounds (block);

-- Rounds that the oracle's breaker held back.
create table pending_rounds (
  block bigint not null,
  log_index integer not null,
  underlying_id bigint not null,
  timestamp bigint not null,
  spot numeric(78,0) not null,
  replaced_at bigint,
  primary key (block, log_index)
);

-- Settings of the oracle.
create table oracle_settings (
  block bigint not null,
  log_index integer not null,
  underlying_id bigint not null,
  max_round_age bigint not null,
  primary key (block, log_index)
);

create table parameter_versions (
  underlying_id bigint not null,
  version bigint not null,
  block bigint not null,
  commitment numeric(78,0) not null,
  -- Header and four scenario words as decimal strings.
  words jsonb not null,
  terms jsonb not null,
  primary key (underlying_id, version)
);
create index parameter_versions_block on parameter_versions (block);

-- States of auctions, likewise.
create table auction_states (
  account_id numeric(78,0) not null,
  number bigint not null,
  block bigint not null,
  replaced_at bigint,
  running boolean not null,
  end_reason text,
  keeper text,
  -- The contract's record; numbers as decimal strings.
  figures jsonb not null,
  primary key (account_id, number, block)
);
create index auction_states_now on auction_states (number) where replaced_at is null;
create index auction_states_block on auction_states (block);

-- Bids and takeovers of auctions, and atomic liquidations.
create table sales (
  block bigint not null,
  log_index integer not null,
  kind text not null check (kind in ('bid', 'takeover', 'liquidation')),
  account_id numeric(78,0) not null,
  vessel_id numeric(78,0) not null,
  taker text not null,
  -- 0 for a liquidation.
  auction_number bigint not null,
  round bigint not null,
  transaction_hash text not null,
  -- Every figure of the event; numbers as decimal strings.
  figures jsonb not null,
  primary key (block, log_index)
);
create index sales_account on sales (account_id, block);
create index sales_auction on sales (auction_number);

create function tell_chain() returns trigger language plpgsql as $$
begin
  perform pg_notify('zkmargin_chain', new.revision::text);
  return null;
end
$$;
create trigger chain_index_tell after update of revision on chain_index
  for each row execute function tell_chain();
