-- Tables that nothing ever wrote, with their views. What reads goes before what it reads: first the
-- views of record (and what `kol replay --swap` keeps of them), then the refresh, its source, the tables.

DROP VIEW IF EXISTS ${database}.v_commerce ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_commerce__kept ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_commerce_1h ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_commerce_1h__kept ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_transition ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_transition__kept ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_journey ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_journey__kept ${on_cluster} SYNC;

DROP VIEW IF EXISTS ${database}.commerce_1h_refresh ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.commerce_1h_source ${on_cluster} SYNC;

DROP TABLE IF EXISTS ${database}.commerce_1h ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.commerce_cell ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.transition_cell ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.journey ${on_cluster} SYNC;
