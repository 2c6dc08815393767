-- Part of an account's collateral that is priced by the account's own underlying, after haircuts at last known prices, 1e-6 units. Proofs and auctions
-- show a requirement without it, and what a unit of it adds. Contracts that know of it are others than those of the rows that are here already,
-- and a store is of one deployment.
alter table account_states add column moving_collateral numeric(78,0) not null default 0;
