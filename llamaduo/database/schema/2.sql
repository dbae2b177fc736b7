-- Days and what may have been billed unseen, prices with their dates, replies as they came, limits
-- of requests and tokens, batches.
alter table calls add column payee text not null default '';
alter table calls add column day text not null default '';
alter table calls add column sent_at double precision;
update calls set sent_at = claimed_at where state = 'claimed';
alter table replies add column cached_tokens bigint not null default 0;
alter table replies add column cache_write_tokens bigint not null default 0;
alter table replies add column thinking_tokens bigint not null default 0;
alter table replies add column model text not null default '';
alter table replies add column status bigint not null default 0;
alter table replies add column raw text not null default '';
alter table replies add column unproven double precision not null default 0;
alter table replies add column price text not null default '';
alter table replies add column request_id text not null default '';
alter table runs add column unproven double precision not null default 0;
create table days (
    payee text not null, day text not null, spent double precision not null,
    reserved double precision not null, unproven double precision not null,
    primary key (payee, day)
);
create table prices (price text primary key, said text not null);
create table sends (
    slot text primary key, payee text not null, at double precision not null,
    tokens bigint not null
);
create index sent on sends (payee, at);
create table holds (payee text primary key, until double precision not null, why text not null);
create table batches (
    batch text primary key, payee text not null, service text not null, run text not null,
    stage text not null, provider text not null, state text not null,
    at double precision not null, said text not null
)
