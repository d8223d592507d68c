-- Tables that nothing wrote so far, with their views; who writes one makes it anew. What reads goes
-- before what it reads: first the views (and what `kol replay swap` keeps of them), then the tables.

DROP VIEW IF EXISTS ${database}.v_crisis ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_crisis__kept ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_asset ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_asset__kept ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_claim ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_claim__kept ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_kol ${on_cluster} SYNC;
DROP VIEW IF EXISTS ${database}.v_kol__kept ${on_cluster} SYNC;

DROP TABLE IF EXISTS ${database}.crisis ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.asset_metric ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.claim ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${database}.kol_dim ${on_cluster} SYNC;
