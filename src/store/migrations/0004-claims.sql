-- Who asked for a job, by the name of the API key; the empty name is that of everybody where no keys are asked for. A job without
-- claims is the service's own.
create table job_claims (
  job_id text not null references jobs (id) on delete cascade,
  client text not null,
  -- Urgency that this client asked for; the job's own is the greatest of all.
  priority smallint not null check (priority between 0 and 3),
  primary key (job_id, client)
);
create index job_claims_by_client on job_claims (client);

-- Jobs of the former version were everybody's.
insert into job_claims (job_id, client, priority) select id, '', priority from jobs where priority < 3;

-- Among jobs of one urgency: a client's first one has its turn before another client's second one.
alter table jobs add column turn bigint not null default 0;
drop index jobs_queued;
create index jobs_queued on jobs (priority, turn, place) where state = 'queued';
