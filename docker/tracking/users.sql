-- Users and permissions stand in a database of their own: both have a table of migrations.
create database users;
