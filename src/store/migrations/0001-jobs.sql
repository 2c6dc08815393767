-- Proof jobs. A row may be shown to anyone who knows its id: no legs, no salt, no witness.
create sequence job_order;

create table jobs (
  -- Digest of circuit, key and public signals.
  id text primary key check (id ~ '^[0-9a-f]{64}$'),
  circuit text not null,
  -- Digest of the verification key: a prover takes jobs of its own keys alone.
  key_digest text not null,
  -- 0 liquidation, 1 solvency, 2 attestation, 3 speculative.
  priority smallint not null check (priority between 0 and 3),
  -- Among equals, the first come is the first served.
  place bigint not null default nextval('job_order'),
  state text not null check (state in ('queued', 'proving', 'done', 'failed')),
  stage text,
  -- Figures that the public signals state, as decimal strings.
  figures jsonb not null,
  -- Times that a worker took it and told its end or has it still, and may; times that a worker was lost with it.
  attempts integer not null default 0,
  losses integer not null default 0,
  max_attempts integer not null check (max_attempts > 0),
  -- Why earlier attempts ended: [{"at", "worker", "code", "message"}].
  causes jsonb not null default '[]',
  -- Who has it now. What a worker writes counts only with the token of its claim.
  claim_token text,
  worker text,
  lease_until timestamptz,
  -- Not to be taken before: a pause after a failed attempt.
  not_before timestamptz not null default clock_timestamp(),
  created_at timestamptz not null default clock_timestamp(),
  deadline timestamptz not null,
  finished_at timestamptz,
  result jsonb,
  error_code text,
  error_message text,
  check ((state = 'proving') = (claim_token is not null and worker is not null and lease_until is not null)),
  check ((state in ('done', 'failed')) = (finished_at is not null)),
  check ((state = 'done') = (result is not null)),
  check ((state = 'failed') = (error_code is not null and error_message is not null))
);

create index jobs_queued on jobs (priority, place) where state = 'queued';
create index jobs_unfinished on jobs (deadline) where state in ('queued', 'proving');
create index jobs_leases on jobs (lease_until) where state = 'proving';
create index jobs_finished on jobs (finished_at) where finished_at is not null;

-- Private inputs of unfinished jobs.
create table job_inputs (
  job_id text primary key references jobs (id) on delete cascade,
  input text not null
);

-- However a job ends, its input goes with it, in the same transaction.
create function forget_job_input() returns trigger language plpgsql as $$
begin
  delete from job_inputs where job_id = new.id;
  return null;
end
$$;
create trigger jobs_forget_input after update of state on jobs
  for each row when (new.state in ('done', 'failed')) execute function forget_job_input();

-- Tells who waits for a job, and who waits for work.
create function tell_job() returns trigger language plpgsql as $$
begin
  perform pg_notify('zkmargin_jobs', new.id || ' ' || new.state || ' ' || new.priority);
  return null;
end
$$;
create trigger jobs_tell after insert or update of state, stage, priority on jobs
  for each row execute function tell_job();
