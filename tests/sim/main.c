/* tests/sim/main.c - runs schedules, mutants, and the comparison with Redis. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/sim/sim.h"

struct settings {
	uint64_t schedules, seed;
	enum sim_mutant mutant;
	int forced_class;
	bool is_verbose;
};

static void usage(void)
{
	puts("sim [--schedules N] [--seed S] [--class NAME] [--mutant NAME]\n"
	     "    [--verbose]");
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

int main(int argc, char **argv)
{
	struct settings set = {
		.schedules = 300,
		.seed = 1,
		.forced_class = -1,
	};
	struct scripts *scripts = scripts_new();
	uint64_t bad = 0;

	read_args(&set, argc, argv);
	sim_set_scripts(scripts, set.mutant);
	for (uint64_t i = 0; i < set.schedules; i++) {
		struct sim_options o = {
			.seed = set.seed + i,
			.scripts = scripts,
			.mutant = set.mutant,
			.is_verbose = set.is_verbose,
			.forced_class = set.forced_class,
		};
		struct sim_result r;

		sim_run(&o, &r);
		if (!r.violation[0])
			continue;
		bad++;
		printf("seed %" PRIu64 " (%s): %s\n", o.seed,
		       sim_class_name(r.class), r.violation);
	}
	printf("%" PRIu64 " schedules, %" PRIu64 " violations\n", set.schedules,
	       bad);
	scripts_free(&scripts);
	return bad ? 1 : 0;
}
