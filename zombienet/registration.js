// Registers a device through one node and counts the nodes that know it afterwards, by the command line.
const { execFileSync } = require("node:child_process");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

// How long another node may take to finalise the block, and the pause between two questions, in milliseconds.
const PATIENCE = 60_000;
const PAUSE = 1_000;

exports.run = async (name, network) => {
	const home = mkdtempSync(join(tmpdir(), "m2m-zombienet."));
	const m2m = (node, ...command) => {
		const options = ["--url", network.nodesByName[node].wsUri, "--home", home, "--json", "--quiet"];
		const answer = execFileSync(process.env.M2M_BIN, [...options, ...command], {
			encoding: "utf8",
			stdio: ["ignore", "pipe", "pipe"],
		});
		return JSON.parse(answer);
	};
	try {
		const key = join(home, "alice.json");
		m2m(name, "key", "dev", "Alice", "--out", key);
		const registered = m2m(name, "device", "register", "--owner", key, "--new", "meter");
		const device = registered.devices[0].device;

		let knowing = 0;
		for (const node of Object.keys(network.nodesByName)) {
			const deadline = Date.now() + PATIENCE;
			for (;;) {
				try {
					const seen = m2m(node, "device", "show", device);
					if (seen.device === device && seen.status === "Active") knowing += 1;
					break;
				} catch (error) {
					if (Date.now() > deadline) break;
					await new Promise((resolve) => setTimeout(resolve, PAUSE));
				}
			}
		}
		return knowing;
	} finally {
		rmSync(home, { recursive: true, force: true });
	}
};
