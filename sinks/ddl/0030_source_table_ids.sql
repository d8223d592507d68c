-- A table that was restored from a backup or made anew numbers its inserts anew: the cursor says
-- of which table it is. Empty where a former version wrote it: that source is added up whole once.

ALTER TABLE ${database}.rollup_cursor ${on_cluster}
    ADD COLUMN IF NOT EXISTS `table_id` String COMMENT 'UUID of the table, which one made anew or restored has not' CODEC(ZSTD(3)) AFTER `scope`;
