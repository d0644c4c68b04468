/* server/fast_start.c -- see server/fast_start.h. */
#include "server/fast_start.h"

#include <stdlib.h>

#include "acme/acme.h"
#include "base/clock.h"
#include "base/log.h"
#include "derp/meta_cert.h"
#include "derp/relay.h"
#include "net/tls_files.h"

#define AGAIN_MS (7 * 24 * 3600 * UINT64_C(1000)) /* it is good for 30 days */

static void renew(void *arg)
{
	struct fast_start *f = arg;
	struct err err = { 0 };
	uint8_t *der = NULL;
	size_t n = 0;
	enum status s = derp_meta_cert(derp_relay_key(f->relay), clock_unix_ns() / NS_PER_S, NULL, &der, &n);

	if (s == ST_OK && f->files != NULL)
		s = net_tls_files_set_extra(f->files, bytes_of(der, n), &err);
	if (s == ST_OK && f->acme != NULL)
		s = acme_set_extra(f->acme, bytes_of(der, n), &err);
	free(der);
	if (s != ST_OK)
		log_warn("clients will not start fast on the relay", LOG_STR("error", err.text), LOG_END);
	loop_timer_start(&f->timer, AGAIN_MS);
}

void fast_start_begin(struct fast_start *f, struct loop *l)
{
	loop_timer_init(&f->timer, l, renew, f);
	renew(f);
}

void fast_start_stop(struct fast_start *f)
{
	if (f->timer.loop != NULL)
		loop_timer_cancel(&f->timer);
}
