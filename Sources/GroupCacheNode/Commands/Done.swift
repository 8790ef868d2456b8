/// What commands print that change something: nothing, or with `--json` an object that says so.
enum Done {
    static func report(json: Bool) throws {
        if json { Console.print(try JSONText.encode(["done": true])) }
    }
}
