// Where the server is, and its own pages.
export const settings = {
  endpoint: process.env.DECOUPLE_URL,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
};

export async function post(path, document) {
  const answer = await fetch(settings.endpoint + path, { method: "POST", body: JSON.stringify(document ?? {}) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
