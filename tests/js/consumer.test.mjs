// sqs-consumer against the server: it polls, handles, deletes, and gives back what a handler could not do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CreateQueueCommand, GetQueueAttributesCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";
import { settings } from "./server.mjs";

test("messages are handled once each, and a failed one again", async () => {
  const sqs = new SQSClient(settings);
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "work" }));
  for (const MessageBody of ["a", "b", "fails once"]) {
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  }

  const handled = [];
  await new Promise((resolve, reject) => {
    const consumer = Consumer.create({
      queueUrl: QueueUrl,
      sqs,
      waitTimeSeconds: 5,
      terminateVisibilityTimeout: true,
      handleMessage: async (message) => {
        handled.push(message.Body);
        if (message.Body === "fails once" && handled.filter((body) => body === message.Body).length === 1) {
          throw new Error("once");
        }
        return message;
      },
    });
    consumer.on("error", reject);
    consumer.on("stopped", resolve);
    consumer.on("processing_error", () => {});
    consumer.on("message_processed", () => handled.length === 4 && consumer.stop());
    consumer.start();
  });

  assert.deepEqual(handled.sort(), ["a", "b", "fails once", "fails once"]);
  const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames }));
  assert.deepEqual(Object.values(Attributes), ["0", "0"]);
  sqs.destroy();
});
