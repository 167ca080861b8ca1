// One act on the alert queues with Node's BullMQ: reads {url, ca, act, …} from standard input, prints the outcome as JSON.
import { readFileSync } from "node:fs";
import { Queue, QueueEvents, Worker } from "bullmq";
import IORedis from "ioredis";

const given = JSON.parse(readFileSync(0, "utf8"));
const connect = () => new IORedis(given.url, { tls: { ca: readFileSync(given.ca) }, maxRetriesPerRequest: null });
const options = { connection: connect(), prefix: "bull:alerts" };
const [deliver, dlq] = ["deliver", "dlq"].map((name) => new Queue(name, options));

const acts = {
  async add() {
    return (await deliver.add("alert", given.data, given.options)).id;
  },

  // Works on deliver until `count` attempts are over; fails them all where `fail` says why.
  async work() {
    const seen = [];
    await new Promise((done) => {
      const worker = new Worker(
        "deliver",
        async (job) => {
          seen.push({ id: job.id, name: job.name, data: job.data, attempts: job.opts.attempts, backoff: job.opts.backoff });
          if (given.fail) throw new Error(given.fail);
        },
        { ...options, connection: connect() },
      );
      const over = async () => {
        if (seen.length < given.count) return;
        await worker.close();
        done();
      };
      worker.on("completed", over);
      worker.on("failed", over);
    });
    return seen;
  },

  // For how many milliseconds more the queue is held, as Node reads it.
  async held() {
    return deliver.getRateLimitTtl();
  },

  // What became of a job, as Node reads it.
  async look() {
    const [there, dead] = await Promise.all([deliver.getJob(given.id), dlq.getJob(given.id)]);
    return {
      state: there ? await there.getState() : null,
      attemptsMade: there?.attemptsMade ?? null,
      stacktrace: there?.stacktrace ?? null,
      deadState: dead ? await dead.getState() : null,
      dead: dead?.data ?? null,
      counts: await deliver.getJobCounts(),
      deadCounts: await dlq.getJobCounts(),
    };
  },

  // Every event of a job in deliver so far, in order: name, and for how long it was delayed.
  async events() {
    const found = [];
    const events = new QueueEvents("deliver", { ...options, connection: connect(), lastEventId: "0-0" });
    for (const name of ["added", "waiting", "active", "delayed", "completed", "failed", "removed"]) {
      events.on(name, ({ jobId, delay }) => {
        if (jobId === given.id) found.push({ name, delay: delay ?? null });
      });
    }
    await events.waitUntilReady();
    while (!found.some(({ name }) => name === given.last)) await new Promise((next) => setTimeout(next, 50));
    return found;
  },
};

console.log(JSON.stringify(await acts[given.act]()));
process.exit(0);
