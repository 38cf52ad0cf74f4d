BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0011');
CREATE TABLE audit_log (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at DATETIME NOT NULL, 
	user VARCHAR(100) NOT NULL, 
	action VARCHAR(60) NOT NULL, 
	target VARCHAR(200) NOT NULL, 
	detail JSON
);
INSERT INTO "audit_log" VALUES(1,'2026-11-30 09:22:09.559535','admin','project.create','earlier','null');
INSERT INTO "audit_log" VALUES(2,'2026-11-30 09:22:09.559535','admin','run.submit','0ear1yer0rvn','{"name": "in flight", "project": "earlier"}');
INSERT INTO "audit_log" VALUES(3,'2026-11-30 09:22:09.975118','admin','lease.grant','0ear1yer0rvn','{"worker": null, "attempt": 1}');
CREATE TABLE bundles (
	digest VARCHAR(64) NOT NULL, 
	data BLOB NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	uploaded_by VARCHAR(100) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_bundles PRIMARY KEY (digest)
);
CREATE TABLE checkpoints (
	pk INTEGER NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	run_pk INTEGER NOT NULL, 
	segment INTEGER NOT NULL, 
	step BIGINT NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	value FLOAT, 
	state VARCHAR(20) NOT NULL, 
	is_pinned BOOLEAN DEFAULT 0 NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	written_bytes BIGINT NOT NULL, 
	location TEXT NOT NULL, 
	at DATETIME NOT NULL, n BIGINT, 
	CONSTRAINT pk_checkpoints PRIMARY KEY (pk), 
	CONSTRAINT fk_checkpoints_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_checkpoints_id UNIQUE (id)
);
INSERT INTO "checkpoints" VALUES(1,'m1tsfcbq0fxb',1,0,10,'best',1.2,'durable',0,'90cba344e1f91b92d507ee7d67ad7d2bbf1b3d3435f9bcd22b8bb81f3e88f7f0',8,15398,'STORE/runs/0ear1yer0rvn/m1tsfcbq0fxb.json','2026-11-30 09:22:13.883349',50);
INSERT INTO "checkpoints" VALUES(2,'6dgcngf10fcf',1,0,30,'best',1.0,'durable',0,'098befda2a57031ebb3d461d8e08153e9aca4832bccd45e18a82c420fbef921a',8,15395,'STORE/runs/0ear1yer0rvn/6dgcngf10fcf.json','2026-11-30 09:22:14.302815',50);
CREATE TABLE commands (
	pk INTEGER NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	run_pk INTEGER NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	arguments JSON NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	requested_by VARCHAR(100) NOT NULL, 
	requested_at DATETIME NOT NULL, 
	acknowledged_at DATETIME, 
	done_at DATETIME, 
	message TEXT NOT NULL, 
	result JSON, 
	CONSTRAINT pk_commands PRIMARY KEY (pk), 
	CONSTRAINT fk_commands_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_commands_id UNIQUE (id)
);
CREATE TABLE credentials (
	pk INTEGER NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	user_pk INTEGER NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	role VARCHAR(10) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	created_at DATETIME NOT NULL, 
	last_used_at DATETIME, 
	expires_at DATETIME, 
	revoked_at DATETIME, 
	CONSTRAINT pk_credentials PRIMARY KEY (pk), 
	CONSTRAINT fk_credentials_user_pk FOREIGN KEY(user_pk) REFERENCES users (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_credentials_digest UNIQUE (digest), 
	CONSTRAINT uq_credentials_id UNIQUE (id)
);
INSERT INTO "credentials" VALUES(1,'5aqga1a9m5rj',1,'token','first start','admin','23edc363078b1b5aeeac7b33e033f00b567e118cc458bcd5bc22048c9660a3d9','2026-11-30 09:21:35.357872','2026-11-30 09:22:09.330298',NULL,NULL);
INSERT INTO "credentials" VALUES(2,'95b0ntdp997w',1,'code','one-time link','admin','3dc757fb778236e461c5de7773785c52aa0763f306c105dd780d989357c97216','2026-11-30 09:21:35.357872',NULL,'2026-11-30 09:36:35.357872',NULL);
CREATE TABLE evaluations (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	test JSON NOT NULL, 
	worker VARCHAR(100), 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_evaluations PRIMARY KEY (pk), 
	CONSTRAINT fk_evaluations_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
CREATE TABLE events (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	kind VARCHAR(40) NOT NULL, 
	project VARCHAR(100), 
	run VARCHAR(12), 
	data JSON NOT NULL, 
	at DATETIME NOT NULL
);
INSERT INTO "events" VALUES(1,'run.created','earlier','0ear1yer0rvn','{"id": "0ear1yer0rvn", "project": "earlier", "number": 1, "name": "in flight", "state": "queued", "stop_reason": null, "stop_message": null, "error": null, "spec": {"project": "earlier", "name": "in flight", "source": {"kind": "external"}, "parameters": {}, "data": null, "monitor": "val_loss", "mode": "min", "stopper": {"name": "any_of", "version": 1, "params": {}, "policies": [{"name": "patience", "version": 1, "params": {"checks": 6, "steps": null, "min_delta": 0.0, "baseline": null, "start_from": 0, "smoothing": 0.0, "every_step": false, "inclusive": false}, "policies": []}, {"name": "upcrossing", "version": 1, "params": {"times": 4, "strip": 2}, "policies": []}]}, "retention": {"best": 1, "last": 1, "every_steps": null}, "selector": {"name": "best", "params": {}}, "max_steps": null, "validate_every": 100, "seed": 0, "labels": {}, "tags": [], "notes": "", "priority": 0, "max_attempts": 3, "forked_from": null, "trial": null}, "mode": "min", "tags": [], "notes": "", "created_by": "admin", "created_at": "2026-11-30T09:22:09.559535Z", "started_at": null, "ended_at": null, "updated_at": "2026-11-30T09:22:09.559535Z", "heard_at": null, "worker": null, "attempt": 0, "failed_attempts": 0, "segment": null, "step": null, "last_value": null, "last_look_step": null, "best_value": null, "best_step": null, "best_checkpoint": null, "wait": null, "patience_left": null, "patience_unit": null, "looks": 0, "resume": null, "resume_note": null, "test": null, "selection": null, "max_steps": null, "memory": null, "environment": null}','2026-11-30 09:22:09.559535');
INSERT INTO "events" VALUES(2,'run.state','earlier','0ear1yer0rvn','{"state": "leased", "stop_reason": null, "stop_message": null, "error": null, "started_at": null, "ended_at": null, "worker": null, "attempt": 1, "failed_attempts": 0, "test": null, "selection": null, "max_steps": null, "memory": null}','2026-11-30 09:22:09.975118');
INSERT INTO "events" VALUES(3,'run.state','earlier','0ear1yer0rvn','{"state": "running", "stop_reason": null, "stop_message": null, "error": null, "started_at": "2026-11-30T09:22:10.149414Z", "ended_at": null, "worker": null, "attempt": 1, "failed_attempts": 0, "test": null, "selection": null, "max_steps": null, "memory": null}','2026-11-30 09:22:10.149414');
INSERT INTO "events" VALUES(4,'run.segment','earlier','0ear1yer0rvn','{"segment": 0, "step": 0}','2026-11-30 09:22:10.149414');
INSERT INTO "events" VALUES(5,'run.progress','earlier','0ear1yer0rvn','{"segment": 0, "step": 0, "environment": {"host": "mill", "pid": 4711, "python": "3.11.7", "platform": "Linux"}}','2026-11-30 09:22:10.745106');
INSERT INTO "events" VALUES(6,'run.progress','earlier','0ear1yer0rvn','{"looks": 4, "last_value": 1.1, "last_look_step": 40, "wait": 1, "patience_left": 5, "patience_unit": "checks", "step": 40, "memory": {"budget_bytes": 4871937024, "held_bytes": 24, "snapshots": [{"id": "m1tsfcbq0fxb", "step": 10, "size_bytes": 8, "is_best": false}, {"id": "yef5sshsmqyj", "step": 20, "size_bytes": 8, "is_best": false}, {"id": "6dgcngf10fcf", "step": 30, "size_bytes": 8, "is_best": true}]}}','2026-11-30 09:22:12.766204');
INSERT INTO "events" VALUES(7,'run.look','earlier','0ear1yer0rvn','{"segment": 0, "step": 40, "value": 1.1, "count": 4, "improved": false, "stop": false}','2026-11-30 09:22:12.766204');
INSERT INTO "events" VALUES(8,'run.checkpoint','earlier','0ear1yer0rvn','{"id": "yef5sshsmqyj", "state": "dropped"}','2026-11-30 09:22:12.766204');
INSERT INTO "events" VALUES(9,'run.best','earlier','0ear1yer0rvn','{"best_value": 1.0, "best_step": 30}','2026-11-30 09:22:12.766204');
INSERT INTO "events" VALUES(10,'run.checkpoint','earlier','0ear1yer0rvn','{"id": "m1tsfcbq0fxb", "segment": 0, "step": 10, "kind": "best", "value": 1.2, "size_bytes": 8, "state": "durable"}','2026-11-30 09:22:14.604909');
INSERT INTO "events" VALUES(11,'run.checkpoint','earlier','0ear1yer0rvn','{"id": "6dgcngf10fcf", "segment": 0, "step": 30, "kind": "best", "value": 1.0, "size_bytes": 8, "state": "durable"}','2026-11-30 09:22:14.604909');
INSERT INTO "events" VALUES(12,'run.best','earlier','0ear1yer0rvn','{"best_checkpoint": "6dgcngf10fcf"}','2026-11-30 09:22:14.604909');
CREATE TABLE leases (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	worker_id VARCHAR(12), 
	attempt INTEGER NOT NULL, 
	granted_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	outcome VARCHAR(20), 
	CONSTRAINT pk_leases PRIMARY KEY (pk), 
	CONSTRAINT fk_leases_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_leases_digest UNIQUE (digest)
);
INSERT INTO "leases" VALUES(1,1,'37e1b43a4b23c5b823bb8d11f37b7665f705f8830eacbf0ddd0a8ed688758656',NULL,1,'2026-11-30 09:22:09.975118',NULL,NULL);
CREATE TABLE log_pieces (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	stream VARCHAR(10) NOT NULL, 
	"offset" BIGINT NOT NULL, 
	text TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_log_pieces PRIMARY KEY (pk), 
	CONSTRAINT fk_log_pieces_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_log_pieces_run_pk_attempt_stream_offset UNIQUE (run_pk, attempt, stream, "offset")
);
CREATE TABLE look_examples (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	segment INTEGER NOT NULL, 
	step BIGINT NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	n INTEGER NOT NULL, 
	note TEXT, 
	data BLOB, 
	CONSTRAINT pk_look_examples PRIMARY KEY (pk), 
	CONSTRAINT fk_look_examples_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_look_examples_run_pk_segment_step UNIQUE (run_pk, segment, step)
);
CREATE TABLE looks (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	segment INTEGER NOT NULL, 
	step BIGINT NOT NULL, 
	value FLOAT, 
	n BIGINT, 
	epoch FLOAT, 
	seconds FLOAT, 
	metrics JSON NOT NULL, 
	decision JSON NOT NULL, 
	snapshot VARCHAR(12), 
	checkpoint VARCHAR(12), 
	note TEXT, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_looks PRIMARY KEY (pk), 
	CONSTRAINT fk_looks_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_looks_run_pk_segment_step UNIQUE (run_pk, segment, step)
);
INSERT INTO "looks" VALUES(1,1,0,10,1.2,50,NULL,NULL,'{"val_loss": 1.2}','{"stop": false, "improved": true, "at_step": 10, "reason": null, "best_step": 10, "best_value": 1.2, "wait": 0, "patience_left": 6, "unit": "checks", "message": "Step 10: 1.2 is the best so far; 0 of 6 checks without improvement.", "verdicts": [{"policy": "patience", "version": 1, "stop": false, "reason": null, "message": "0 of 6 checks without improvement", "would_stop": false, "rate_factor": null, "rung": null}, {"policy": "upcrossing", "version": 1, "stop": false, "reason": null, "message": "worse 0 of 4 times in a row, each 2 looks", "would_stop": false, "rate_factor": null, "rung": null}], "is_admitted": true, "rate_factor": null, "min_rate": 0.0, "rung": null}','m1tsfcbq0fxb','m1tsfcbq0fxb',NULL,'2026-11-30 09:22:12.465054');
INSERT INTO "looks" VALUES(2,1,0,20,1.1,50,NULL,NULL,'{"val_loss": 1.1}','{"stop": false, "improved": true, "at_step": 20, "reason": null, "best_step": 20, "best_value": 1.1, "wait": 0, "patience_left": 6, "unit": "checks", "message": "Step 20: 1.1 is the best so far; 0 of 6 checks without improvement.", "verdicts": [{"policy": "patience", "version": 1, "stop": false, "reason": null, "message": "0 of 6 checks without improvement", "would_stop": false, "rate_factor": null, "rung": null}, {"policy": "upcrossing", "version": 1, "stop": false, "reason": null, "message": "worse 0 of 4 times in a row, each 2 looks", "would_stop": false, "rate_factor": null, "rung": null}], "is_admitted": true, "rate_factor": null, "min_rate": 0.0, "rung": null}','yef5sshsmqyj','yef5sshsmqyj',NULL,'2026-11-30 09:22:12.544224');
INSERT INTO "looks" VALUES(3,1,0,30,1.0,50,NULL,NULL,'{"val_loss": 1.0}','{"stop": false, "improved": true, "at_step": 30, "reason": null, "best_step": 30, "best_value": 1.0, "wait": 0, "patience_left": 6, "unit": "checks", "message": "Step 30: 1 is the best so far; 0 of 6 checks without improvement.", "verdicts": [{"policy": "patience", "version": 1, "stop": false, "reason": null, "message": "0 of 6 checks without improvement", "would_stop": false, "rate_factor": null, "rung": null}, {"policy": "upcrossing", "version": 1, "stop": false, "reason": null, "message": "worse 0 of 4 times in a row, each 2 looks", "would_stop": false, "rate_factor": null, "rung": null}], "is_admitted": true, "rate_factor": null, "min_rate": 0.0, "rung": null}','6dgcngf10fcf','6dgcngf10fcf',NULL,'2026-11-30 09:22:12.565260');
INSERT INTO "looks" VALUES(4,1,0,40,1.1,50,NULL,NULL,'{"val_loss": 1.1}','{"stop": false, "improved": false, "at_step": 40, "reason": null, "best_step": 30, "best_value": 1.0, "wait": 1, "patience_left": 5, "unit": "checks", "message": "Step 40: 1.1; 1 of 6 checks without improvement; best 1 at step 30.", "verdicts": [{"policy": "patience", "version": 1, "stop": false, "reason": null, "message": "1 of 6 checks without improvement", "would_stop": false, "rate_factor": null, "rung": null}, {"policy": "upcrossing", "version": 1, "stop": false, "reason": null, "message": "worse 0 of 4 times in a row, each 2 looks", "would_stop": false, "rate_factor": null, "rung": null}], "is_admitted": true, "rate_factor": null, "min_rate": 0.0, "rung": null}',NULL,NULL,NULL,'2026-11-30 09:22:12.593296');
CREATE TABLE metric_chunks (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	segment INTEGER NOT NULL, 
	first_step BIGINT NOT NULL, 
	last_step BIGINT NOT NULL, 
	count INTEGER NOT NULL, 
	encoding INTEGER NOT NULL, 
	envelope BLOB, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_metric_chunks PRIMARY KEY (pk), 
	CONSTRAINT fk_metric_chunks_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
INSERT INTO "metric_chunks" VALUES(1,1,'loss',0,1,40,40,0,NULL,X'0100000000000000020000000000000003000000000000000400000000000000050000000000000006000000000000000700000000000000080000000000000009000000000000000A000000000000000B000000000000000C000000000000000D000000000000000E000000000000000F0000000000000010000000000000001100000000000000120000000000000013000000000000001400000000000000150000000000000016000000000000001700000000000000180000000000000019000000000000001A000000000000001B000000000000001C000000000000001D000000000000001E000000000000001F00000000000000200000000000000021000000000000002200000000000000230000000000000024000000000000002500000000000000260000000000000027000000000000002800000000000000000000000000F03F000000000000E03F555555555555D53F000000000000D03F9A9999999999C93F555555555555C53F922449922449C23F000000000000C03F1CC7711CC771BC3F9A9999999999B93F46175D74D145B73F555555555555B53F143BB1133BB1B33F922449922449B23F111111111111B13F000000000000B03F1E1E1E1E1E1EAE3F1CC7711CC771AC3F28AFA1BC86F2AA3F9A9999999999A93F188661188661A83F46175D74D145A73F64210B59C842A63F555555555555A53F7B14AE47E17AA43F143BB1133BB1A33F682FA1BD84F6A23F922449922449A23F967B1A61B9A7A13F111111111111A13F841042082184A03F000000000000A03F081F7CF0C1079F3F1E1E1E1E1E1E9E3F1DD4411DD4419D3F1CC7711CC7719C3FD0BAC114F9AC9B3F28AFA1BC86F29A3F1AA4411AA4419A3F9A9999999999993F40BF1B1150C3DA4196C31B1150C3DA41C6C51B1150C3DA4138C71B1150C3DA418BC81B1150C3DA41E6C91B1150C3DA4122CB1B1150C3DA4177CC1B1150C3DA41A0CD1B1150C3DA41B0CE1B1150C3DA4134A6211150C3DA416EAA211150C3DA41BAAC211150C3DA4149AE211150C3DA41B3AF211150C3DA4112B1211150C3DA416EB2211150C3DA4193B7221150C3DA411AC2221150C3DA4129C6221150C3DA41544A231150C3DA41AB4D231150C3DA41FB53231150C3DA415656231150C3DA41CB57231150C3DA415A5A231150C3DA41FA09241150C3DA416612241150C3DA412215241150C3DA410F17241150C3DA41AEE4251150C3DA416CE7251150C3DA410AE9251150C3DA4174EA251150C3DA41CEEB251150C3DA4120ED251150C3DA4166EE251150C3DA41A2EF251150C3DA41DDF0251150C3DA4119F2251150C3DA41');
INSERT INTO "metric_chunks" VALUES(2,1,'val_loss',0,10,40,4,0,NULL,X'0A0000000000000014000000000000001E000000000000002800000000000000333333333333F33F9A9999999999F13F000000000000F03F9A9999999999F13FFB901D1150C3DA418AD3221150C3DA416F2C241150C3DA41B1F7251150C3DA41');
CREATE TABLE metric_summaries (
	run_pk INTEGER NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	count BIGINT NOT NULL, 
	non_finite BIGINT NOT NULL, 
	first_step BIGINT NOT NULL, 
	last_step BIGINT NOT NULL, 
	last_value FLOAT NOT NULL, 
	min_value FLOAT, 
	min_step BIGINT, 
	max_value FLOAT, 
	max_step BIGINT, 
	CONSTRAINT pk_metric_summaries PRIMARY KEY (run_pk, "key"), 
	CONSTRAINT fk_metric_summaries_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
INSERT INTO "metric_summaries" VALUES(1,'loss',40,0,1,40,0.025,0.025,40,1.0,1);
INSERT INTO "metric_summaries" VALUES(1,'val_loss',4,0,10,40,1.1,1.0,30,1.2,10);
CREATE TABLE panels (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	segment INTEGER NOT NULL, 
	step BIGINT NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	kind VARCHAR(20) NOT NULL, 
	snapshot VARCHAR(12), 
	data BLOB NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_panels PRIMARY KEY (pk), 
	CONSTRAINT fk_panels_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_panels_run_pk_name_segment_step UNIQUE (run_pk, name, segment, step)
);
CREATE TABLE project_rules (
	project_pk INTEGER NOT NULL, 
	stopper JSON, 
	median JSON, 
	max_steps BIGINT, 
	max_seconds FLOAT, 
	set_by VARCHAR(100) NOT NULL, 
	set_at DATETIME NOT NULL, 
	CONSTRAINT pk_project_rules PRIMARY KEY (project_pk), 
	CONSTRAINT fk_project_rules_project_pk FOREIGN KEY(project_pk) REFERENCES projects (pk) ON DELETE CASCADE
);
CREATE TABLE projects (
	pk INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	description TEXT NOT NULL, 
	created_at DATETIME NOT NULL, 
	next_number INTEGER NOT NULL, 
	CONSTRAINT pk_projects PRIMARY KEY (pk), 
	CONSTRAINT uq_projects_name UNIQUE (name)
);
INSERT INTO "projects" VALUES(1,'earlier','','2026-11-30 09:22:09.559535',2);
CREATE TABLE receipts (
	pk INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	receipt JSON NOT NULL, 
	user VARCHAR(100) NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_receipts PRIMARY KEY (pk), 
	CONSTRAINT fk_receipts_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
CREATE TABLE rulings (
	run_pk INTEGER NOT NULL, 
	looks INTEGER NOT NULL, 
	command VARCHAR(12), 
	CONSTRAINT pk_rulings PRIMARY KEY (run_pk), 
	CONSTRAINT fk_rulings_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
CREATE TABLE rungs (
	run_pk INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	step BIGINT NOT NULL, 
	value FLOAT, 
	reached_at DATETIME NOT NULL, 
	promoted_at DATETIME, sweep_pk INTEGER, since INTEGER DEFAULT 1 NOT NULL, 
	CONSTRAINT pk_rungs PRIMARY KEY (run_pk, rung), 
	CONSTRAINT fk_rungs_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
CREATE TABLE runs (
	pk INTEGER NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	project_pk INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	stop_reason VARCHAR(40), 
	stop_message TEXT, 
	error JSON, 
	spec JSON NOT NULL, 
	source_kind VARCHAR(20) NOT NULL, 
	mode VARCHAR(10) NOT NULL, 
	tags JSON NOT NULL, 
	notes TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	created_by VARCHAR(100) NOT NULL, 
	idempotency_key VARCHAR(200), 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	ended_at DATETIME, 
	updated_at DATETIME NOT NULL, 
	heard_at DATETIME, 
	deleted_at DATETIME, 
	attempt INTEGER NOT NULL, 
	max_attempts INTEGER NOT NULL, 
	lease_digest VARCHAR(64), 
	lease_expires_at DATETIME, 
	worker_id VARCHAR(12), 
	worker_name VARCHAR(100), 
	segment INTEGER, 
	step BIGINT, 
	last_value FLOAT, 
	last_look_step BIGINT, 
	looks INTEGER NOT NULL, 
	wait BIGINT, 
	patience_left BIGINT, 
	patience_unit VARCHAR(10), 
	best_value FLOAT, 
	best_step BIGINT, 
	best_checkpoint_value FLOAT, 
	best_checkpoint VARCHAR(12), 
	resume VARCHAR(20), 
	resume_note TEXT, 
	environment JSON, 
	test JSON, attempts_before INTEGER DEFAULT 0 NOT NULL, max_steps BIGINT, start_checkpoint VARCHAR(12), start_overrides JSON, memory JSON, selection JSON, selected_value FLOAT, selected_step BIGINT, averages_tried INTEGER DEFAULT 0 NOT NULL, sweep_pk INTEGER, top_rung INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (pk), 
	CONSTRAINT fk_runs_project_pk FOREIGN KEY(project_pk) REFERENCES projects (pk), 
	CONSTRAINT uq_runs_created_by_idempotency_key UNIQUE (created_by, idempotency_key), 
	CONSTRAINT uq_runs_id UNIQUE (id), 
	CONSTRAINT uq_runs_project_pk_number UNIQUE (project_pk, number)
);
INSERT INTO "runs" VALUES(1,'0ear1yer0rvn',1,1,'in flight','running',NULL,NULL,NULL,'{"project": "earlier", "name": "in flight", "source": {"kind": "external"}, "parameters": {}, "data": null, "monitor": "val_loss", "mode": "min", "stopper": {"name": "any_of", "version": 1, "params": {}, "policies": [{"name": "patience", "version": 1, "params": {"checks": 6, "steps": null, "min_delta": 0.0, "baseline": null, "start_from": 0, "smoothing": 0.0, "every_step": false, "inclusive": false}, "policies": []}, {"name": "upcrossing", "version": 1, "params": {"times": 4, "strip": 2}, "policies": []}]}, "retention": {"best": 1, "last": 1, "every_steps": null}, "selector": {"name": "best", "params": {}}, "max_steps": null, "validate_every": 100, "seed": 0, "labels": {}, "tags": [], "notes": "", "priority": 0, "max_attempts": 3, "forked_from": null, "trial": null}','external','min','[]','',0,'admin','bve59jr5cpy3','2026-11-30 09:22:09.559535','2026-11-30 09:22:10.149414',NULL,'2026-11-30 09:22:14.604909','2026-11-30 09:22:14.604909',NULL,1,3,'37e1b43a4b23c5b823bb8d11f37b7665f705f8830eacbf0ddd0a8ed688758656','2026-11-30 09:24:09.975118',NULL,NULL,0,40,1.1,40,4,1,5,'checks',1.0,30,1.0,'6dgcngf10fcf',NULL,NULL,'{"host": "mill", "pid": 4711, "python": "3.11.7", "platform": "Linux"}',NULL,0,NULL,NULL,NULL,'{"budget_bytes": 4871937024, "held_bytes": 24, "snapshots": [{"id": "m1tsfcbq0fxb", "step": 10, "size_bytes": 8, "is_best": false}, {"id": "yef5sshsmqyj", "step": 20, "size_bytes": 8, "is_best": false}, {"id": "6dgcngf10fcf", "step": 30, "size_bytes": 8, "is_best": true}]}',NULL,NULL,NULL,0,NULL,0);
CREATE TABLE segments (
	run_pk INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	parent INTEGER, 
	reason VARCHAR(20) NOT NULL, 
	start_step BIGINT NOT NULL, 
	checkpoint VARCHAR(12), 
	attempt INTEGER NOT NULL, 
	opened_at DATETIME NOT NULL, 
	branched_step BIGINT, overrides JSON, 
	CONSTRAINT pk_segments PRIMARY KEY (run_pk, number), 
	CONSTRAINT fk_segments_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
INSERT INTO "segments" VALUES(1,0,NULL,'start',0,NULL,1,'2026-11-30 09:22:10.149414',NULL,'null');
CREATE TABLE sweeps (
	pk INTEGER NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	project_pk INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	message TEXT, 
	spec JSON NOT NULL, 
	created_by VARCHAR(100) NOT NULL, 
	created_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	idempotency_key VARCHAR(200), 
	CONSTRAINT pk_sweeps PRIMARY KEY (pk), 
	CONSTRAINT fk_sweeps_project_pk FOREIGN KEY(project_pk) REFERENCES projects (pk), 
	CONSTRAINT uq_sweeps_id UNIQUE (id), 
	CONSTRAINT uq_sweeps_created_by_idempotency_key UNIQUE (created_by, idempotency_key)
);
CREATE TABLE trials (
	sweep_pk INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	run_pk INTEGER NOT NULL, 
	parameters JSON NOT NULL, 
	CONSTRAINT pk_trials PRIMARY KEY (sweep_pk, number), 
	CONSTRAINT fk_trials_sweep_pk FOREIGN KEY(sweep_pk) REFERENCES sweeps (pk) ON DELETE CASCADE, 
	CONSTRAINT fk_trials_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE, 
	CONSTRAINT uq_trials_run_pk UNIQUE (run_pk)
);
CREATE TABLE users (
	pk INTEGER NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	role VARCHAR(10) NOT NULL, 
	created_at DATETIME NOT NULL, 
	disabled_at DATETIME, 
	CONSTRAINT pk_users PRIMARY KEY (pk), 
	CONSTRAINT ck_users_ck_users_role_known CHECK (role IN ('viewer', 'member', 'worker', 'admin')), 
	CONSTRAINT uq_users_id UNIQUE (id), 
	CONSTRAINT uq_users_name UNIQUE (name)
);
INSERT INTO "users" VALUES(1,'11f6cgynawsb','admin','admin','2026-11-30 09:21:35.357872',NULL);
CREATE TABLE workers (
	id VARCHAR(12) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	version VARCHAR(50) NOT NULL, 
	slots INTEGER NOT NULL, 
	labels JSON NOT NULL, 
	recipes_only BOOLEAN NOT NULL, 
	recipes JSON NOT NULL, 
	started_at DATETIME NOT NULL, 
	heard_at DATETIME NOT NULL, 
	gone_at DATETIME, 
	CONSTRAINT pk_workers PRIMARY KEY (id)
);
CREATE TABLE writers (
	run_pk INTEGER NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	last_number BIGINT NOT NULL, 
	heard_at DATETIME NOT NULL, 
	CONSTRAINT pk_writers PRIMARY KEY (run_pk, id), 
	CONSTRAINT fk_writers_run_pk FOREIGN KEY(run_pk) REFERENCES runs (pk) ON DELETE CASCADE
);
INSERT INTO "writers" VALUES(1,'a7m4xvatff8r',3,'2026-11-30 09:22:14.604909');
CREATE INDEX ix_credentials_user_pk ON credentials (user_pk);
CREATE INDEX ix_runs_best ON runs (project_pk, best_value, pk);
CREATE INDEX ix_runs_last ON runs (project_pk, last_value, pk);
CREATE INDEX ix_runs_lease_expiry ON runs (lease_expires_at);
CREATE INDEX ix_runs_counted ON runs (project_pk, deleted_at, state, pk);
CREATE INDEX ix_runs_queue ON runs (state, priority, pk);
CREATE INDEX ix_runs_recent ON runs (project_pk, deleted_at, pk);
CREATE INDEX ix_checkpoints_run_pk_pk ON checkpoints (run_pk, pk);
CREATE INDEX ix_commands_run_pk_state ON commands (run_pk, state);
CREATE INDEX ix_leases_run_pk ON leases (run_pk);
CREATE INDEX ix_log_pieces_run_pk_pk ON log_pieces (run_pk, pk);
CREATE INDEX ix_looks_run_pk_pk ON looks (run_pk, pk);
CREATE INDEX ix_metric_chunks_run_pk_key_segment_first_step ON metric_chunks (run_pk, "key", segment, first_step);
CREATE INDEX ix_metric_chunks_small ON metric_chunks (encoding, pk);
CREATE INDEX ix_metric_summaries_key_last_value_run_pk ON metric_summaries ("key", last_value, run_pk);
CREATE INDEX ix_receipts_run_pk ON receipts (run_pk);
CREATE INDEX ix_runs_start_checkpoint ON runs (start_checkpoint);
CREATE INDEX ix_sweeps_recent ON sweeps (project_pk, pk);
CREATE INDEX ix_sweeps_living ON sweeps (state, pk);
CREATE INDEX ix_evaluations_run_pk ON evaluations (run_pk);
CREATE INDEX ix_runs_of_sweep ON runs (sweep_pk, deleted_at, state, stop_reason, top_rung, best_value) WHERE sweep_pk IS NOT NULL;
CREATE INDEX ix_rungs_of_sweep ON rungs (sweep_pk, rung, promoted_at, value, run_pk, since);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit_log',3);
INSERT INTO "sqlite_sequence" VALUES('events',12);
COMMIT;
