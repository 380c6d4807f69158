// 20,000 packets of each kind from clients; and, on a transport that reads ahead, as many as in the short form.

import { allocationSuite } from "./allocation-suite";

await allocationSuite({ steps: 20_000, packets: 20_000, readAhead: false });
await allocationSuite({ steps: 500, packets: 20_000, readAhead: true });
