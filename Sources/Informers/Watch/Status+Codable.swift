extension Status: Codable {
    private enum CodingKeys: String, CodingKey { case kind, status, code, reason, message, details }

    /// Reads a status; what is left out gets its default.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let reason = Reason(rawValue: try container.decodeIfPresent(String.self, forKey: .reason) ?? "")
        self.init(
            reason,
            code: try container.decodeIfPresent(Int.self, forKey: .code),
            message: try container.decodeIfPresent(String.self, forKey: .message) ?? "",
            details: try container.decodeIfPresent(Details.self, forKey: .details),
            isFailure: try container.decodeIfPresent(String.self, forKey: .status) != "Success"
        )
    }

    /// Writes the status.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode("Status", forKey: .kind)
        try container.encode(self.isFailure ? "Failure" : "Success", forKey: .status)
        try container.encode(self.code, forKey: .code)
        if self.reason != .unknown { try container.encode(self.reason.rawValue, forKey: .reason) }
        try container.encode(self.message, forKey: .message)
        try container.encodeIfPresent(self.details, forKey: .details)
    }
}
