-- Foreign tables, each made by Spark out of the statements below its name; ${table} is the table, ${folder} its folder. Settings hold for one table.
-- `python -m lakehouse_platform_tests.foreign.make_with_spark JARS [TABLE…]` makes spark_tables.tar.gz of them, with what Spark reads.

-- table change_feed
CREATE TABLE ${table} (id INT, name STRING) USING delta TBLPROPERTIES ('delta.enableChangeDataFeed'='true');
INSERT INTO ${table} VALUES (1,'a'),(2,'b');
UPDATE ${table} SET name='c' WHERE id=2;
DELETE FROM ${table} WHERE id=1;

-- table checkpoint_only
CREATE TABLE ${table} (id INT, name STRING) USING delta TBLPROPERTIES ('delta.checkpointInterval'='3');
INSERT INTO ${table} VALUES (0,'n0');
INSERT INTO ${table} VALUES (1,'n1');
INSERT INTO ${table} VALUES (2,'n2');
INSERT INTO ${table} VALUES (3,'n3');
INSERT INTO ${table} VALUES (4,'n4');

-- table clustered
CREATE TABLE ${table} (id INT, name STRING) USING delta CLUSTER BY (id, name);
INSERT INTO ${table} VALUES (1,'a'),(2,'b');
OPTIMIZE ${table};

-- table collated
SET spark.databricks.delta.schema.typeCheck.enabled = false;
CREATE TABLE ${table} (id INT, name STRING COLLATE UTF8_LCASE) USING delta;
INSERT INTO ${table} VALUES (1,'a'),(2,'B');

-- table column_mapping_deletion_vectors
CREATE TABLE ${table} (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.columnMapping.mode'='name','delta.enableDeletionVectors'='true');
INSERT INTO ${table} SELECT /*+ COALESCE(1) */ id, concat('n', id) FROM range(10);
ALTER TABLE ${table} RENAME COLUMN name TO title;
DELETE FROM ${table} WHERE id IN (3, 4);

-- table column_mapping_evolved
CREATE TABLE ${table} (id INT, s STRUCT<a:INT>, l ARRAY<STRUCT<a:INT,x:DOUBLE>>, m MAP<STRUCT<k:INT>,STRUCT<a:INT>>) USING delta TBLPROPERTIES ('delta.columnMapping.mode'='name', 'delta.enableTypeWidening'='true');
INSERT INTO ${table} VALUES (1, struct(1), array(struct(1, 0.5D), NULL), map(struct(1), struct(1), struct(2), NULL)), (2, NULL, NULL, NULL);
ALTER TABLE ${table} ADD COLUMN s.b STRING;
ALTER TABLE ${table} RENAME COLUMN s.a TO c;
ALTER TABLE ${table} ADD COLUMN l.element.b STRING;
ALTER TABLE ${table} ADD COLUMN m.value.b STRING;
ALTER TABLE ${table} RENAME COLUMN m.key.k TO kk;
ALTER TABLE ${table} ALTER COLUMN s.c TYPE BIGINT;
ALTER TABLE ${table} DROP COLUMN l.element.x;
ALTER TABLE ${table} ADD COLUMN l.element.x STRING;
INSERT INTO ${table} VALUES (3, struct(5000000000, 'b'), array(struct(3, 'b', 'x')), map(struct(3), struct(3, 'b')));

-- table column_mapping_id
CREATE TABLE ${table} (id BIGINT, name STRING, s STRUCT<a:INT,b:STRING>) USING delta TBLPROPERTIES ('delta.columnMapping.mode'='id');
INSERT INTO ${table} VALUES (1,'x',struct(1,'p')),(2,NULL,NULL);
ALTER TABLE ${table} RENAME COLUMN name TO title;
INSERT INTO ${table} VALUES (3,'y',struct(2,'q'));

-- table column_mapping_name
CREATE TABLE ${table} (id BIGINT, `old name` STRING, s STRUCT<a:INT, b:STRING>, gone INT, l ARRAY<STRUCT<x:INT,y:INT>>, m MAP<STRING,STRUCT<v:INT>>, day DATE) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.columnMapping.mode'='name');
INSERT INTO ${table} VALUES (1,'x',struct(1,'p'),9,array(struct(1,2)),map('k',struct(5)),DATE'2024-01-01'),(2,NULL,NULL,8,NULL,NULL,NULL);
ALTER TABLE ${table} RENAME COLUMN `old name` TO `new; name`;
ALTER TABLE ${table} RENAME COLUMN s.a TO renamed;
ALTER TABLE ${table} RENAME COLUMN day TO date;
ALTER TABLE ${table} DROP COLUMN gone;
ALTER TABLE ${table} ADD COLUMN gone STRING;
ALTER TABLE ${table} RENAME COLUMN l.element.x TO z;
ALTER TABLE ${table} RENAME COLUMN m.value.v TO w;
INSERT INTO ${table} (id, `new; name`, s, l, m, date, gone) VALUES (3,'later',named_struct('renamed',3,'b','q'),array(named_struct('z',7,'y',8)),map('k2',named_struct('w',6)),DATE'2024-01-02','back');

-- table column_mapping_upgraded
CREATE TABLE ${table} (id BIGINT, a STRING, b STRING) USING delta;
INSERT INTO ${table} VALUES (1,'a1','b1');
ALTER TABLE ${table} SET TBLPROPERTIES ('delta.columnMapping.mode'='name','delta.minReaderVersion'='2','delta.minWriterVersion'='5');
ALTER TABLE ${table} RENAME COLUMN a TO c;
ALTER TABLE ${table} RENAME COLUMN b TO a;
INSERT INTO ${table} (id, c, a) VALUES (2,'c2','a2');

-- table converted
CREATE TABLE converted USING parquet PARTITIONED BY (p, q) LOCATION '${folder}' AS SELECT id, INT(id % 2) AS p, concat('x y', id) AS q FROM range(3);
CONVERT TO DELTA parquet.`${folder}` PARTITIONED BY (p INT, q STRING);

-- table decimals
CREATE TABLE ${table} (id INT, d1_0 DECIMAL(1,0), d1_1 DECIMAL(1,1), d4_2 DECIMAL(4,2), d9_3 DECIMAL(9,3), d10_5 DECIMAL(10,5), d18_18 DECIMAL(18,18), d19_0 DECIMAL(19,0), d28_10 DECIMAL(28,10), d38_0 DECIMAL(38,0), d38_38 DECIMAL(38,38), d38_18 DECIMAL(38,18)) USING delta;
INSERT INTO ${table} VALUES (0, 9BD, 0.9BD, 99.99BD, 999999.999BD, 99999.99999BD, 0.999999999999999999BD, 9999999999999999999BD, 999999999999999999.9999999999BD, 99999999999999999999999999999999999999BD, 0.99999999999999999999999999999999999999BD, 99999999999999999999.999999999999999999BD);
INSERT INTO ${table} VALUES (1, -9BD, -0.9BD, -99.99BD, -999999.999BD, -99999.99999BD, -0.999999999999999999BD, -9999999999999999999BD, -999999999999999999.9999999999BD, -99999999999999999999999999999999999999BD, -0.99999999999999999999999999999999999999BD, -99999999999999999999.999999999999999999BD);
INSERT INTO ${table} VALUES (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- table deletion_vectors
CREATE TABLE ${table} (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.enableDeletionVectors'='true');
INSERT INTO ${table} SELECT /*+ COALESCE(1) */ id, concat('n', id) FROM range(20);
DELETE FROM ${table} WHERE id IN (3, 4, 11);
INSERT INTO ${table} SELECT id, 'late' FROM range(20, 24);
UPDATE ${table} SET name = 'changed' WHERE id IN (5, 21);

-- table deletion_vectors_change_feed
CREATE TABLE ${table} (id BIGINT, name STRING) USING delta CLUSTER BY (id) TBLPROPERTIES ('delta.enableDeletionVectors'='true', 'delta.enableChangeDataFeed'='true', 'delta.enableRowTracking'='true');
INSERT INTO ${table} SELECT /*+ COALESCE(1) */ id, 'n' FROM range(12);
MERGE INTO ${table} t USING (SELECT id FROM range(10, 14)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'i');
DELETE FROM ${table} WHERE id = 12;

-- table deletion_vectors_odd_paths
CREATE TABLE ${table} (id BIGINT, kind STRING) USING delta PARTITIONED BY (kind) TBLPROPERTIES ('delta.enableDeletionVectors'='true');
INSERT INTO ${table} SELECT /*+ COALESCE(1) */ id, array('a b%20=c/ü#?[x]*', '50%', NULL)[id % 3] FROM range(12);
DELETE FROM ${table} WHERE id IN (3, 4, 5, 9);

-- table deletion_vectors_partitioned
CREATE TABLE ${table} (id BIGINT, day DATE) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.enableDeletionVectors'='true');
INSERT INTO ${table} SELECT id, DATE'2024-01-01' + INT(id % 3) FROM range(30);
DELETE FROM ${table} WHERE id % 7 = 0;
DELETE FROM ${table} WHERE id % 5 = 0;

-- table deletion_vectors_unused
CREATE TABLE ${table} (id BIGINT, name STRING) USING delta TBLPROPERTIES ('delta.enableDeletionVectors'='true');
INSERT INTO ${table} SELECT id, concat('n', id) FROM range(5);

-- table emptied
CREATE TABLE ${table} (id INT, name STRING) USING delta;
INSERT INTO ${table} VALUES (1,'a');
DELETE FROM ${table};

-- table empty
CREATE TABLE ${table} (id INT, name STRING, day DATE) USING delta PARTITIONED BY (day);

-- table identity
CREATE TABLE ${table} (id BIGINT GENERATED ALWAYS AS IDENTITY, at TIMESTAMP, day DATE GENERATED ALWAYS AS (CAST(at AS DATE)), d INT DEFAULT 7) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.feature.allowColumnDefaults'='supported');
INSERT INTO ${table} (at) VALUES (TIMESTAMP'2024-01-01 10:00:00');

-- table in_commit_timestamps
CREATE TABLE ${table} (id INT) USING delta TBLPROPERTIES ('delta.enableInCommitTimestamps'='true');
INSERT INTO ${table} VALUES (1);

-- table legacy_calendar
SET spark.sql.parquet.datetimeRebaseModeInWrite = LEGACY;
CREATE TABLE ${table} (id INT, day DATE) USING delta;
INSERT INTO ${table} VALUES (1, DATE'1500-01-01'), (2, DATE'2024-01-01');

-- table legacy_parquet
SET spark.sql.parquet.writeLegacyFormat = true;
CREATE TABLE ${table} (id INT, d DECIMAL(9,3), l ARRAY<INT>, ls ARRAY<STRUCT<a:INT>>, m MAP<STRING,ARRAY<INT>>) USING delta;
INSERT INTO ${table} VALUES (1,1.125,array(1,NULL,3),array(struct(1),NULL),map('a',array(1),'b',NULL)),(2,NULL,array(),array(),map()),(3,NULL,NULL,NULL,NULL);

-- table many_deletions
CREATE TABLE ${table} (id BIGINT) USING delta TBLPROPERTIES ('delta.enableDeletionVectors'='true');
INSERT INTO ${table} SELECT /*+ COALESCE(1) */ id FROM range(70000);
DELETE FROM ${table} WHERE id % 2 = 0 OR id > 100;

-- table multi_part_checkpoint
SET spark.databricks.delta.checkpoint.partSize = 2;
CREATE TABLE ${table} (id INT, name STRING) USING delta TBLPROPERTIES ('delta.checkpointInterval'='4');
INSERT INTO ${table} VALUES (0,'n0');
INSERT INTO ${table} VALUES (1,'n1');
INSERT INTO ${table} VALUES (2,'n2');
INSERT INTO ${table} VALUES (3,'n3');
INSERT INTO ${table} VALUES (4,'n4');
INSERT INTO ${table} VALUES (5,'n5');

-- table nested
CREATE TABLE ${table} (id INT, l ARRAY<STRUCT<a:INT,m:MAP<STRING,ARRAY<STRUCT<x:DECIMAL(9,3),at:TIMESTAMP>>>>>, mm MAP<STRUCT<k:INT>,MAP<INT,STRING>>, aa ARRAY<ARRAY<BINARY>>) USING delta;
INSERT INTO ${table} VALUES (1,array(struct(1,map('k',array(struct(1.5,TIMESTAMP'2024-01-01'),NULL),'n',NULL)),NULL),map(struct(1),map(1,'a',2,NULL)),array(array(X'00',NULL),array(),NULL)),(2,array(),map(),array()),(3,NULL,NULL,NULL);

-- table no_statistics
CREATE TABLE ${table} (id INT, name STRING) USING delta TBLPROPERTIES ('delta.dataSkippingNumIndexedCols'='0');
INSERT INTO ${table} VALUES (1,'a'),(2,'b');

-- table not_a_number
CREATE TABLE ${table} (id INT, x DOUBLE, f FLOAT, s STRUCT<x:DOUBLE>) USING delta;
INSERT INTO ${table} SELECT /*+ COALESCE(1) */ * FROM VALUES (1, 1.0D, FLOAT(1), struct(1.0D)), (2, DOUBLE('NaN'), FLOAT('NaN'), struct(DOUBLE('NaN'))), (3, -0.0D, FLOAT('Infinity'), struct(-0.0D));

-- table odd_names
CREATE TABLE ${table} (`a.b` INT, `q"uo'te` STRING, `ünï😀` DOUBLE, `Sélect` INT, `%20` INT, `s.t` STRUCT<`x.y`:INT,`"`:STRING>, `part/é.%:\\` STRING) USING delta PARTITIONED BY (`part/é.%:\\`);
INSERT INTO ${table} VALUES (1,'x',1.5,2,3,struct(4,'q'),'v/1'),(2,NULL,NULL,NULL,NULL,NULL,NULL);

-- table old_days
CREATE TABLE ${table} (id INT, day DATE) USING delta;
INSERT INTO ${table} VALUES (1, DATE'1500-01-01'), (2, DATE'0001-01-01');

-- table partition_types
CREATE TABLE ${table} (id INT, by BYTE, sh SHORT, i INT, l BIGINT, f FLOAT, d DOUBLE, dec DECIMAL(10,3), b BOOLEAN, day DATE, at TIMESTAMP, s STRING, bin BINARY) USING delta PARTITIONED BY (by,sh,i,l,f,d,dec,b,day,at,s,bin);
INSERT INTO ${table} VALUES
      (1,1Y,2S,3,4L,FLOAT(0.1),0.1D,1.500,true,DATE'2024-01-01',TIMESTAMP'2024-01-01 10:11:12.131415','plain',X'4142'),
      (2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
      (3,-128Y,-32768S,-2147483648,-9223372036854775807L,FLOAT('-Infinity'),DOUBLE('NaN'),-0.001,false,DATE'0001-01-01',TIMESTAMP'0001-01-03 00:00:00','',X''),
      (4,127Y,32767S,2147483647,9223372036854775807L,FLOAT(3.4E38),DOUBLE(1.7976931348623157E308),9999999.999,false,DATE'9999-12-31',TIMESTAMP'9999-12-31 23:59:59.999999','a b%20=c/d\\e\'f"g:h?i*j#k&l;m,n{o}[p]^q|r<s>t~u`vü漢😀',X'c3bc'),
      (5,0Y,0S,0,0L,FLOAT(-0.0),DOUBLE(-0.0),0,true,DATE'1582-10-04',TIMESTAMP'1582-10-04 00:00:00','__HIVE_DEFAULT_PARTITION__',X'20'),
      (6,0Y,0S,0,0L,FLOAT('NaN'),DOUBLE('Infinity'),0,true,DATE'1969-12-31',TIMESTAMP'1969-12-31 23:59:59.5',' lead and trail ',X'20'),
      (7,0Y,0S,0,0L,FLOAT(1E-45),DOUBLE(1E-300),0,true,DATE'1969-12-31',TIMESTAMP'2024-06-01 00:00:00','null',X'25');

-- table random_prefixes
CREATE TABLE ${table} (id INT, day DATE, kind STRING) USING delta PARTITIONED BY (day, kind) TBLPROPERTIES ('delta.randomizeFilePrefixes'='true');
INSERT INTO ${table} VALUES (1,DATE'2024-01-01','a b'),(2,DATE'2024-01-02',NULL),(3,NULL,'x=y');

-- table restored
CREATE TABLE ${table} (id INT, name STRING) USING delta;
INSERT INTO ${table} VALUES (1,'a');
INSERT INTO ${table} VALUES (2,'b');
DELETE FROM ${table} WHERE id = 1;
RESTORE TABLE ${table} TO VERSION AS OF 1;

-- table row_tracking
CREATE TABLE ${table} (id INT, name STRING) USING delta TBLPROPERTIES ('delta.enableRowTracking'='true');
INSERT INTO ${table} VALUES (1,'a'),(2,'b');
UPDATE ${table} SET name='c' WHERE id=2;

-- table schema_evolution
CREATE TABLE ${table} (id INT, s STRUCT<a:INT>, l ARRAY<STRUCT<a:INT>>, m MAP<STRING,STRUCT<a:INT>>) USING delta;
INSERT INTO ${table} VALUES (1,struct(1),array(struct(1),NULL),map('k',struct(1),'n',NULL)),(2,NULL,NULL,NULL);
ALTER TABLE ${table} ADD COLUMN late STRING FIRST;
ALTER TABLE ${table} ADD COLUMN s.b STRING FIRST;
ALTER TABLE ${table} ADD COLUMN s.deep STRUCT<x:INT>;
ALTER TABLE ${table} ADD COLUMN l.element.b STRING;
ALTER TABLE ${table} ADD COLUMN m.value.b STRING;
ALTER TABLE ${table} ADD COLUMN lm MAP<STRING,ARRAY<INT>>;
INSERT INTO ${table} VALUES ('now',3,struct('b',3,struct(4)),array(struct(3,'b')),map('k',struct(3,'b')),map('k',array(1,NULL)));

-- table small_types
CREATE TABLE ${table} (b BYTE, s SHORT, f FLOAT, d DOUBLE, bin BINARY, bo BOOLEAN, v VARCHAR(7), l ARRAY<FLOAT>) USING delta;
INSERT INTO ${table} VALUES (-128,-32768,FLOAT(0.1),0.1D,X'00ff',true,'abc',array(FLOAT(0.1))),(127,32767,FLOAT('NaN'),DOUBLE('-Infinity'),X'',false,'',NULL),(NULL,NULL,FLOAT(-0.0),DOUBLE(-0.0),NULL,NULL,NULL,array());

-- table statistics_columns
CREATE TABLE ${table} (id INT, name STRING, s STRUCT<a:INT,b:STRUCT<c:STRING>>) USING delta TBLPROPERTIES ('delta.dataSkippingStatsColumns'='name,s.b.c');
INSERT INTO ${table} VALUES (1,'a',struct(1,struct('x'))),(2,repeat('é',50),NULL);

-- table struct_statistics_checkpoint
CREATE TABLE ${table} (id INT, name STRING, x DECIMAL(20,5), at TIMESTAMP, p INT) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.checkpointInterval'='3','delta.checkpoint.writeStatsAsJson'='false','delta.checkpoint.writeStatsAsStruct'='true');
INSERT INTO ${table} VALUES (0,'n0',0.12345,TIMESTAMP'2024-01-01 00:00:00.123456', 0);
INSERT INTO ${table} VALUES (1,'n1',1.12345,TIMESTAMP'2024-01-01 00:00:00.123456', 1);
INSERT INTO ${table} VALUES (2,'n2',2.12345,TIMESTAMP'2024-01-01 00:00:00.123456', 0);
INSERT INTO ${table} VALUES (3,'n3',3.12345,TIMESTAMP'2024-01-01 00:00:00.123456', 1);

-- table timestamp_ntz
CREATE TABLE ${table} (id INT, at TIMESTAMP_NTZ, utc TIMESTAMP, p TIMESTAMP_NTZ, s STRUCT<a:TIMESTAMP_NTZ>) USING delta PARTITIONED BY (p);
INSERT INTO ${table} VALUES (1,TIMESTAMP_NTZ'2024-01-02 03:04:05.678901',TIMESTAMP'2024-01-02 03:04:05.678901',TIMESTAMP_NTZ'2024-01-02 03:04:05.5',struct(TIMESTAMP_NTZ'2024-01-02 03:04:05')),(2,NULL,NULL,NULL,NULL);

-- table timestamps_int96
SET spark.sql.parquet.outputTimestampType = INT96;
CREATE TABLE ${table} (id INT, at TIMESTAMP, l ARRAY<TIMESTAMP>, s STRUCT<a:TIMESTAMP>) USING delta;
INSERT INTO ${table} SELECT id, at, array(at), named_struct('a', at) FROM VALUES (0, TIMESTAMP'2024-01-01 00:00:00.123456'),
  (1, TIMESTAMP'1969-12-31 23:59:59.999999'), (2, TIMESTAMP'0001-01-03 00:00:00'), (3, TIMESTAMP'9999-12-31 23:59:59.999999'),
  (4, TIMESTAMP'1582-10-04 12:00:00'), (5, TIMESTAMP'1900-01-01 00:00:00'), (6, TIMESTAMP'2300-01-01 00:00:00.000001'),
  (7, TIMESTAMP'1677-09-21 00:00:00') AS v(id, at);

-- table timestamps_micros
SET spark.sql.parquet.outputTimestampType = TIMESTAMP_MICROS;
CREATE TABLE ${table} (id INT, at TIMESTAMP, l ARRAY<TIMESTAMP>, s STRUCT<a:TIMESTAMP>) USING delta;
INSERT INTO ${table} SELECT id, at, array(at), named_struct('a', at) FROM VALUES (0, TIMESTAMP'2024-01-01 00:00:00.123456'),
  (1, TIMESTAMP'1969-12-31 23:59:59.999999'), (2, TIMESTAMP'0001-01-03 00:00:00'), (3, TIMESTAMP'9999-12-31 23:59:59.999999'),
  (4, TIMESTAMP'1582-10-04 12:00:00'), (5, TIMESTAMP'1900-01-01 00:00:00'), (6, TIMESTAMP'2300-01-01 00:00:00.000001'),
  (7, TIMESTAMP'1677-09-21 00:00:00') AS v(id, at);

-- table timestamps_millis
SET spark.sql.parquet.outputTimestampType = TIMESTAMP_MILLIS;
CREATE TABLE ${table} (id INT, at TIMESTAMP, l ARRAY<TIMESTAMP>, s STRUCT<a:TIMESTAMP>) USING delta;
INSERT INTO ${table} SELECT id, at, array(at), named_struct('a', at) FROM VALUES (0, TIMESTAMP'2024-01-01 00:00:00.123456'),
  (1, TIMESTAMP'1969-12-31 23:59:59.999999'), (2, TIMESTAMP'0001-01-03 00:00:00'), (3, TIMESTAMP'9999-12-31 23:59:59.999999'),
  (4, TIMESTAMP'1582-10-04 12:00:00'), (5, TIMESTAMP'1900-01-01 00:00:00'), (6, TIMESTAMP'2300-01-01 00:00:00.000001'),
  (7, TIMESTAMP'1677-09-21 00:00:00') AS v(id, at);

-- table type_widening
CREATE TABLE ${table} (id INT, b BYTE, sh SHORT, f FLOAT, d DECIMAL(5,2), day DATE, s STRUCT<a:INT>, l ARRAY<SHORT>, m MAP<INT,BYTE>, i2d INT, i2dec INT, p INT) USING delta PARTITIONED BY (p) TBLPROPERTIES ('delta.enableTypeWidening'='true');
INSERT INTO ${table} VALUES (1,1,1,0.1,1.25,DATE'2024-01-01',struct(1),array(1,2),map(1,1),7,8,1),(-5,-1,-1,-0.5,-1.25,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
ALTER TABLE ${table} ALTER COLUMN id TYPE BIGINT;
ALTER TABLE ${table} ALTER COLUMN b TYPE INT;
ALTER TABLE ${table} ALTER COLUMN sh TYPE INT;
ALTER TABLE ${table} ALTER COLUMN f TYPE DOUBLE;
ALTER TABLE ${table} ALTER COLUMN d TYPE DECIMAL(18,4);
ALTER TABLE ${table} ALTER COLUMN s.a TYPE BIGINT;
ALTER TABLE ${table} ALTER COLUMN l.element TYPE INT;
ALTER TABLE ${table} ALTER COLUMN m.key TYPE BIGINT;
ALTER TABLE ${table} ALTER COLUMN m.value TYPE SHORT;
ALTER TABLE ${table} ALTER COLUMN i2d TYPE DOUBLE;
ALTER TABLE ${table} ALTER COLUMN i2dec TYPE DECIMAL(20,2);
ALTER TABLE ${table} ALTER COLUMN p TYPE BIGINT;
INSERT INTO ${table} VALUES (5000000000,70000,70000,0.1D,12345678901234.1234,DATE'2025-01-01',named_struct('a',5000000000),array(70000),map(5000000000,300S),0.5D,1234567890.25,5000000000);

-- table type_widening_date
CREATE TABLE ${table} (id INT, day DATE) USING delta TBLPROPERTIES ('delta.enableTypeWidening'='true','delta.feature.timestampNtz'='supported');
INSERT INTO ${table} VALUES (1,DATE'2024-01-01');
ALTER TABLE ${table} ALTER COLUMN day TYPE TIMESTAMP_NTZ;
INSERT INTO ${table} VALUES (2,TIMESTAMP_NTZ'2024-01-02 03:04:05.678');

-- table v2_checkpoint_cleaned
SET spark.databricks.delta.checkpointV2.topLevelFileFormat = parquet;
CREATE TABLE ${table} (id BIGINT, name STRING, day DATE) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.checkpointPolicy'='v2','delta.checkpointInterval'='3');
INSERT INTO ${table} VALUES (0,'n0',DATE'2024-01-01' + 0);
INSERT INTO ${table} VALUES (1,'n1',DATE'2024-01-01' + 1);
INSERT INTO ${table} VALUES (2,'n2',DATE'2024-01-01' + 0);
INSERT INTO ${table} VALUES (3,'n3',DATE'2024-01-01' + 1);
INSERT INTO ${table} VALUES (4,'n4',DATE'2024-01-01' + 0);
DELETE FROM ${table} WHERE id = 1;

-- table v2_checkpoint_json
SET spark.databricks.delta.checkpointV2.topLevelFileFormat = json;
CREATE TABLE ${table} (id BIGINT, name STRING, day DATE) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.checkpointPolicy'='v2','delta.checkpointInterval'='3');
INSERT INTO ${table} VALUES (0,'n0',DATE'2024-01-01' + 0);
INSERT INTO ${table} VALUES (1,'n1',DATE'2024-01-01' + 1);
INSERT INTO ${table} VALUES (2,'n2',DATE'2024-01-01' + 0);
INSERT INTO ${table} VALUES (3,'n3',DATE'2024-01-01' + 1);
INSERT INTO ${table} VALUES (4,'n4',DATE'2024-01-01' + 0);
DELETE FROM ${table} WHERE id = 1;

-- table v2_checkpoint_parquet
SET spark.databricks.delta.checkpointV2.topLevelFileFormat = parquet;
CREATE TABLE ${table} (id BIGINT, name STRING, day DATE) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.checkpointPolicy'='v2','delta.checkpointInterval'='3');
INSERT INTO ${table} VALUES (0,'n0',DATE'2024-01-01' + 0);
INSERT INTO ${table} VALUES (1,'n1',DATE'2024-01-01' + 1);
INSERT INTO ${table} VALUES (2,'n2',DATE'2024-01-01' + 0);
INSERT INTO ${table} VALUES (3,'n3',DATE'2024-01-01' + 1);
INSERT INTO ${table} VALUES (4,'n4',DATE'2024-01-01' + 0);
DELETE FROM ${table} WHERE id = 1;

-- table vacuum_protocol_check
CREATE TABLE ${table} (id INT) USING delta TBLPROPERTIES ('delta.feature.vacuumProtocolCheck'='supported');
INSERT INTO ${table} VALUES (1);

-- table variant
CREATE TABLE ${table} (id INT, v VARIANT) USING delta;
INSERT INTO ${table} SELECT 1, parse_json('{"a":1}');

-- table void_column
CREATE TABLE ${table} USING delta AS SELECT 1 AS id, NULL AS nothing;

-- table void_in_struct
CREATE TABLE ${table} USING delta AS SELECT 1 AS id, named_struct('a', 1, 'n', NULL) AS s;

-- table writers_features
CREATE TABLE ${table} (id BIGINT NOT NULL, at TIMESTAMP, day DATE GENERATED ALWAYS AS (CAST(at AS DATE))) USING delta PARTITIONED BY (day) TBLPROPERTIES ('delta.enableChangeDataFeed'='true');
ALTER TABLE ${table} ADD CONSTRAINT positive CHECK (id > 0);
INSERT INTO ${table} (id, at) VALUES (1, TIMESTAMP'2024-01-01 10:00:00'), (2, NULL);
UPDATE ${table} SET id = 3 WHERE id = 2;
