-- Turn that each client asked for: what is left of a job's turns when one of its clients leaves.
alter table job_claims add column turn bigint not null default 0;
update job_claims set turn = jobs.turn from jobs where id = job_id and jobs.priority = job_claims.priority;
