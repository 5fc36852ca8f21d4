// sns-validator against the server: what web endpoints get is signed, and the certificate can be fetched.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { test } from "node:test";
import { CreateTopicCommand, PublishCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import MessageValidator from "sns-validator";
import { settings } from "./server.mjs";

// The validator wants https, which a server on this machine does not speak. Where the certificate lies is not signed.
https.get = (url, callback) => http.get(url.replace("https:", "http:"), callback);
const validator = new MessageValidator(/^127\.0\.0\.1:\d+$/);

function validate(envelope) {
  const message = { ...envelope, SigningCertURL: envelope.SigningCertURL.replace("http:", "https:") };
  return new Promise((resolve, reject) => {
    validator.validate(message, (error, valid) => (error ? reject(error) : resolve(valid)));
  });
}

for (const version of ["1", "2"]) {
  test(`envelopes of signature version ${version} are valid, changed ones are not`, async () => {
    const received = [];
    const arrived = new EventTarget();
    const web = http.createServer(async (request, response) => {
      let body = "";
      for await (const part of request) body += part;
      response.end();
      received.push(JSON.parse(body));
      arrived.dispatchEvent(new Event("envelope"));
    });
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    const next = async () => {
      while (received.length === 0) await once(arrived, "envelope");
      return received.shift();
    };

    const sns = new SNSClient(settings);
    const made = new CreateTopicCommand({ Name: `news-${version}`, Attributes: { SignatureVersion: version } });
    const { TopicArn } = await sns.send(made);
    const Endpoint = `http://127.0.0.1:${web.address().port}/`;
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: "http", Endpoint }));

    const asked = await validate(await next());
    assert.equal((await fetch(asked.SubscribeURL)).status, 200);
    await sns.send(new PublishCommand({ TopicArn, Message: "rain \u2614", Subject: "weather" }));
    const notified = await next();
    assert.equal((await validate(notified)).Message, "rain \u2614");
    await assert.rejects(validate({ ...notified, Message: "sun" }), /signature is invalid/);

    sns.destroy();
    web.close();
  });
}
