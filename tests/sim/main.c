/* tests/sim/main.c - runs schedules, and the mutants that they must catch. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/sim/sim.h"

#define HUNT_SCHEDULES 12000 /* at most, for one mutant */

struct settings {
	uint64_t schedules, seed;
	enum sim_mutant mutant;
	int forced_class;
	bool is_verbose, is_hunt;
};

static void usage(void)
{
	puts("sim [--schedules N] [--seed S] [--class NAME] [--mutant NAME]\n"
	     "    [--verbose]\n"
	     "sim --mutants [--schedules N] [--seed S]");
	exit(2);
}

static int class_of(const char *name)
{
	for (int c = 0; c < CLASS_COUNT; c++)
		if (!strcmp(name, sim_class_name((enum sim_class)c)))
			return c;
	usage();
	return -1;
}

static enum sim_mutant mutant_of(const char *name)
{
	for (int m = 0; m < SIM_MUTANTS; m++)
		if (!strcmp(name, sim_mutant_name((enum sim_mutant)m)))
			return (enum sim_mutant)m;
	usage();
	return SIM_SOUND;
}

static void read_args(struct settings *set, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--verbose")) {
			set->is_verbose = true;
			continue;
		}
		if (!strcmp(argv[i], "--mutants")) {
			set->is_hunt = true;
			continue;
		}
		if (!value)
			usage();
		if (!strcmp(argv[i], "--schedules"))
			set->schedules = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i], "--seed"))
			set->seed = strtoull(value, NULL, 10);
		else if (!strcmp(argv[i], "--class"))
			set->forced_class = class_of(value);
		else if (!strcmp(argv[i], "--mutant"))
			set->mutant = mutant_of(value);
		else
			usage();
		i++;
	}
}

/* What all of them did. */
struct totals {
	uint64_t bad, frames, moves, passes;
	int64_t age_us; /* of any frame, where nothing may be lost */
};

static void add(struct totals *t, const struct sim_result *r)
{
	t->bad += r->violation[0] != '\0';
	t->frames += r->frames_published;
	t->moves += r->moves;
	t->passes += r->passes;
	if (r->class == CLASS_ORIGIN || r->class == CLASS_PLANNED)
		t->age_us = WEIR_MAX(t->age_us, r->age_us);
}

/* Run one schedule; is it free of violations? */
static bool is_sound(const struct settings *set, struct scripts *scripts,
		     enum sim_mutant mutant, uint64_t i, struct totals *totals)
{
	const struct sim_options o = {
		.seed = set->seed + i,
		.scripts = scripts,
		.mutant = mutant,
		.is_verbose = set->is_verbose,
		.forced_class = set->forced_class,
	};
	struct sim_result r;

	sim_run(&o, &r);
	add(totals, &r);
	if (r.violation[0])
		printf("%sseed %" PRIu64 " (%s): %s\n",
		       set->is_hunt ? "  caught: " : "", o.seed,
		       sim_class_name(r.class), r.violation);
	return !r.violation[0];
}

static int run_schedules(const struct settings *set, struct scripts *scripts)
{
	struct totals t = {0};

	sim_set_scripts(scripts, set->mutant);
	for (uint64_t i = 0; i < set->schedules; i++)
		is_sound(set, scripts, set->mutant, i, &t);
	printf("%" PRIu64 " schedules from seed %" PRIu64 ", %" PRIu64
	       " violations\n",
	       set->schedules, set->seed, t.bad);
	printf("%" PRIu64 " frames, %" PRIu64 " homes moved, %" PRIu64
	       " publishers handed over; oldest frame where nothing may be "
	       "lost: %" PRId64 " ms\n",
	       t.frames, t.moves, t.passes, t.age_us / MS);
	return t.bad ? 1 : 0;
}

/* Each mutant must be caught by one of the schedules. */
static int hunt(const struct settings *set, struct scripts *scripts)
{
	int survivors = 0;

	for (int m = SIM_SOUND + 1; m < SIM_MUTANTS; m++) {
		const char *name = sim_mutant_name((enum sim_mutant)m);
		struct totals t = {0};
		uint64_t i = 0;

		sim_set_scripts(scripts, (enum sim_mutant)m);
		while (i < set->schedules &&
		       is_sound(set, scripts, (enum sim_mutant)m, i, &t))
			i++;
		printf("%s mutant %s\n", i < set->schedules ? "ok" : "not ok",
		       name);
		survivors += i == set->schedules;
	}
	return survivors ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct settings set = {
		.seed = 1,
		.forced_class = -1,
	};
	struct scripts *scripts = scripts_new();
	int status;

	read_args(&set, argc, argv);
	if (set.is_hunt && !set.schedules)
		set.schedules = HUNT_SCHEDULES;
	if (!set.schedules)
		set.schedules = 300;
	status = set.is_hunt ? hunt(&set, scripts)
			     : run_schedules(&set, scripts);
	/* The short form, as in `make test`: both. */
	if (argc == 1 && !status) {
		set.schedules = HUNT_SCHEDULES;
		set.is_hunt = true;
		status = hunt(&set, scripts);
	}
	scripts_free(&scripts);
	return status;
}
