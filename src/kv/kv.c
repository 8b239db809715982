/* SPDX-License-Identifier: PostgreSQL
 *
 * kv.c: the start of kv, by part.
 */
#include "postgres.h"

#include "kv/cmd/config.h"
#include "kv/cmd/pause.h"
#include "kv/cmd/roster.h"
#include "kv/cmd/save.h"
#include "kv/cmd/slowlog.h"
#include "kv/cmd/stats.h"
#include "kv/cmd/topics.h"
#include "kv/count.h"
#include "kv/kv.h"
#include "kv/limit.h"
#include "kv/net/process.h"
#include "kv/net/upkeep.h"
#include "kv/net/worker.h"
#include "kv/publish.h"
#include "kv/ready.h"
#include "kv/rows.h"
#include "kv/script/script.h"
#include "kv/settings.h"
#include "kv/throttle.h"
#include "kv/type/collection.h"

void
pgfirst_kv_init(void)
{
	kv_settings_define();
	kv_stats_init();
	kv_config_init();
	kv_pause_init();
	kv_roster_init();
	kv_topics_init();
	kv_save_init();
	kv_slowlog_init();
	kv_script_init();
	kv_throttle_init();
	kv_count_init();
	kv_collections_init();
	kv_publish_init();
	kv_ready_init();
	kv_limit_init();
	kv_rows_init();
	kv_process_init();
	kv_upkeep_init();
	kv_worker_init();
}
