// Appends an event, as any client does. The source of the pages keeps their ids apart from those of workers.

/** Appends, and returns whether the ledger recorded the event, with the ledger's words. */
export async function append(type, job, data, recorded) {
  const event = {
    specversion: "1.0", id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, source: "/page", type, subject: job, data,
  };
  const answer = await fetch("/ledger/events", {
    method: "POST", headers: { "content-type": "application/cloudevents+json" }, body: JSON.stringify(event),
  }).catch(() => null);
  if (!answer) return { ok: false, said: "the server does not answer" };
  const said = await answer.json().catch(() => ({}));
  return { ok: answer.ok, said: answer.ok ? recorded : said.detail ?? `status ${answer.status}` };
}
