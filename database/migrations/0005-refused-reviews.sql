-- A review that cannot be opened comes again later and later, so that it does not keep its neighbours from being opened.
alter table reviews
  add column failures int not null default 0,
  add column not_before timestamptz;
